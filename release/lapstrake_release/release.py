"""A release, as a story: check → build → candidates → wheels → names → draft → finally.

No public name is given before every image was verified in every registry and every wheel is where
it should be. Each phase asks the targets what is there already, so that a release which was ended
at any moment goes on where it was.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake_release.assemble import facts_of
from lapstrake_release.facts import DraftResult, ReleaseFacts
from lapstrake_release.job import Job
from lapstrake_release.journal import Outcome
from lapstrake_release.phases.build import build
from lapstrake_release.phases.candidates import push_candidates
from lapstrake_release.phases.check import check
from lapstrake_release.phases.draft import draft, evidence
from lapstrake_release.phases.last import remove_temporary_names
from lapstrake_release.phases.names import give_names
from lapstrake_release.phases.wheels import upload_files
from lapstrake_release.problems import Refusal


@dataclass
class Ended:
    """How a run ended.

    Attributes:
        outcome: `done`, or why not; `error` what it ran into.
        facts: the release; None where it isn't done.
        refused: whether nothing was begun, since something was in the way.
    """

    outcome: Outcome
    seconds: float
    facts: ReleaseFacts | None = None
    error: UserError | None = None
    refused: bool = False
    draft: DraftResult = field(default_factory=lambda: DraftResult("none"))


def release(job: Job) -> Ended:
    """Release; what it ran into is in what comes back, and the last phase has run in any case.

    An interruption (^C, SIGTERM, `release cancel`) ends it with the last phase, too.
    """
    began = time.monotonic()
    try:
        facts = _phases(job)
        ended = Ended("done", 0, facts, draft=job.draft)
    except KeyboardInterrupt:
        process.stop_all()
        ended = Ended("cancelled", 0)
    except UserError as error:
        job.journal.write("error", message=error.message, hint=error.hint)
        ended = Ended("failed", 0, error=error, refused=_nothing_begun(job, error))
    if not ended.refused:
        _finally(job)
    ended.seconds = time.monotonic() - began
    job.journal.write("end", outcome=ended.outcome)
    return ended


def cancel(job: Job) -> Ended:
    """The last phase alone, for a release that was killed and is not to go on."""
    began = time.monotonic()
    _finally(job)
    job.journal.write("end", outcome="cancelled")
    return Ended("cancelled", time.monotonic() - began)


def _phases(job: Job) -> ReleaseFacts:
    phases: tuple[tuple[str, Callable[[Job], None]], ...] = (
        ("check", check),
        ("build", _build),
        ("candidates", push_candidates),
        ("wheels", upload_files),
        ("names", give_names),
    )
    for name, work in phases:
        with job.phase(name):
            work(job)
    with job.phase("draft"):
        facts = evidence(job, facts_of(job))
        job.draft = draft(job, facts)
    return facts


def _build(job: Job) -> None:
    """Build, and see that all that goes with it can be made: later it would be too late."""
    build(job)
    evidence(job, facts_of(job))


def _nothing_begun(job: Job, error: UserError) -> bool:
    """Whether neither this run nor one before it has sent anything."""
    state = job.journal.state
    sent = any(phase == "candidates" for phase, _ in state.done)
    return isinstance(error, Refusal) and state.phase == "check" and not sent


def _finally(job: Job) -> None:
    """The last phase; nothing that it runs into hides what came before."""
    # after an interruption, it needs its connections
    process.resume()
    with contextlib.suppress(UserError), job.phase("finally"):
        remove_temporary_names(job)
