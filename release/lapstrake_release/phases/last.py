"""Phase 7, always: temporary names are removed."""

from __future__ import annotations

import functools

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake_release.job import Job
from lapstrake_release.names import Names as Registry
from lapstrake_release.names import Refused
from lapstrake_release.places import candidate_names


def remove_temporary_names(job: Job) -> None:
    """Remove every candidate's name of this version from every registry.

    What can't be removed is a line in the summary: the release itself is not worse for it.
    """
    with job.registries() as registries:
        registries.all_at_once([functools.partial(_remove, job, r) for r in registries])


def _remove(job: Job, registry: Registry) -> None:
    names: list[str] = []
    try:
        names = [n for n, _ in candidate_names(registry.names(), job.version.ours)]
        registry.remove(names, job.journal.state.job)
    except process.Stopped:
        raise
    except Refused as error:
        count = f"{len(names)} temporary names stay ({names[0]}, …)"
        job.remark(f"{error.message}: {count}")
    except UserError as error:
        job.remark(f"{registry.repository}: temporary names may be left: {error.message}")
    else:
        job.journal.done("finally", str(registry.repository), removed=len(names))
