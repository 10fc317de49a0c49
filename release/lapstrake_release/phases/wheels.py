"""Phase 4: wheels and source archives to the package indexes."""

from __future__ import annotations

import time

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake_release.indexes.client import IndexClient
from lapstrake_release.indexes.compare import lacking
from lapstrake_release.indexes.model import Index
from lapstrake_release.indexes.upload import twine_upload
from lapstrake_release.job import Job, Meter

_ATTEMPTS = 4

# Seconds that an index may take to show what it has accepted; some are cached for minutes.
_PATIENCE = 20.0


def upload_files(job: Job) -> None:
    """Have every file in every index; one that is there with the same hash is left alone.

    Raises:
        UserError: an index refuses, or has other bytes under a name.
    """
    if not job.files or not job.targets.indexes:
        return
    meter = Meter(job.journal, len(job.files) * len(job.targets.indexes))
    for index in job.targets.indexes:
        with IndexClient(index) as client, job.progress.step(index.name, f"wheels {index.name}"):
            _upload(job, index, client)
            meter.add(index.name, len(job.files))
        for file in job.files:
            job.journal.done("wheels", f"{index.name} {file.name}", sha256=file.sha256)


def _upload(job: Job, index: Index, client: IndexClient) -> None:
    """Upload what the index lacks, until it lacks nothing.

    An upload whose answer was lost is there, or it isn't: the index is asked each time.
    """
    failures = 0
    while missing := lacking(client, job.files):
        ready = client.for_upload()
        try:
            twine_upload(ready, [f.path for f in missing])
        except process.Stopped:
            raise
        except UserError:
            failures += 1
            left = lacking(client, job.files)
            job.sent.files += len(missing) - len(left)
            if failures >= _ATTEMPTS or not _may_pass(client):
                raise
            time.sleep(0.5 * 2 ** (failures - 1))
        else:
            job.sent.files += len(missing)
            _await(job, index, client)
            return


def _may_pass(client: IndexClient) -> bool:
    """Whether the index would take an upload now, having waited for as long as it asks."""
    try:
        client.check_upload()
    except process.Stopped:
        raise
    except UserError:
        return False
    return True


def _await(job: Job, index: Index, client: IndexClient) -> None:
    """See that what was accepted is shown, with the hashes that were sent."""
    end = time.monotonic() + _PATIENCE
    while missing := lacking(client, job.files):
        if time.monotonic() > end:
            names = ", ".join(f.name for f in missing)
            job.remark(f"{index.name} has accepted {names}, but doesn't show it yet")
            return
        process.check_stopped()
        time.sleep(0.5)
