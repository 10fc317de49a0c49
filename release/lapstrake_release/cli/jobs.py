"""`lapstrake release status` and `release cancel`: a release seen from another process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import click

from lapstrake.cli.common import dist_folder, open_repository
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.report.progress import open_progress
from lapstrake.version import Version
from lapstrake_release.job import Job, Options
from lapstrake_release.journal import Holder, State, open_journal, running, states
from lapstrake_release.release import cancel
from lapstrake_release.targets import find_targets

# Seconds that a release gets to end by itself: it may have to wait for a registry.
_PATIENCE = 120.0


@click.command("status")
@click.argument("job", required=False, metavar="[ID]")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status_command(directory: Path, job: str | None, dist: str, as_json: bool) -> None:
    """How far a release is, or how it ended: the one with that ID, or the last.

    It can be asked from another process while the release runs.
    """
    folder = dist_folder(open_repository(directory), dist)
    state = find_job(folder, job)
    holder = running(folder, state.version)
    said = _said(state, holder)
    if as_json:
        console.say_json(said)
        return
    console.say(f"release {state.version}, job {state.job}: {said['state']}")
    if state.phase and state.outcome != "done":
        about = f", {state.image}" if state.image else ""
        console.say(f"phase {state.phase}{about}, {state.percent} %")
    for error in state.errors:
        console.say(f"error: {error}")


def find_job(dist: Path, job: str | None) -> State:
    """The state of the job with an id (or a version), or of the last one.

    Raises:
        UserError: there is none.
    """
    found = states(dist)
    if job is None and found:
        return found[-1]
    for state in found:
        if job in {state.job, state.version}:
            return state
    have = ", ".join(f"{s.job} ({s.version})" for s in found)
    what = f"there is no job {job}" if job else "nothing was released from here"
    raise UserError(what, f"there are {have}" if have else f"journals lie in {dist}")


def _said(state: State, holder: Holder | None) -> dict[str, Any]:
    return {
        "version": state.version,
        "job": state.job,
        "commit": state.commit,
        "state": "running" if holder else state.outcome or "was killed: start it again",
        "phase": state.phase,
        "image": state.image,
        "percent": state.percent,
        "errors": state.errors,
        "phases": state.seconds,
        "runs": state.runs,
        "at": state.at,
        "pid": holder.pid if holder else None,
        "host": holder.host if holder else None,
    }


@click.command("cancel")
@click.argument("job", metavar="ID")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.pass_obj
def cancel_command(directory: Path, job: str, dist: str) -> None:
    """End a release cleanly: its temporary names are removed.

    What is public by then stays; starting the release again goes on with it.
    """
    repo = open_repository(directory)
    folder = dist_folder(repo, dist)
    state = find_job(folder, job)
    holder = running(folder, state.version)
    if holder is not None:
        _end(folder, state.version, holder)
    elif state.outcome:
        console.say(f"{state.version} isn't running: {state.outcome}")
        return
    else:
        _clean_up(repo, folder, state)
    console.say(f"{state.version} is cancelled")


def _end(dist: Path, version: str, holder: Holder) -> None:
    """Let the process that holds a version end, and wait for that."""
    if not holder.is_here:
        raise UserError(f"{version} is being released on {holder.host}", "cancel it there")
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise UserError(
            f"process {holder.pid} is another user's", "cancel it as that user"
        ) from None
    end = time.monotonic() + _PATIENCE
    while running(dist, version) == holder:
        if time.monotonic() > end:
            raise UserError(f"{holder} does not end", f"`kill -9 {holder.pid}`, and cancel again")
        time.sleep(0.1)


def _clean_up(repo: Repository, dist: Path, state: State) -> None:
    """The last phase, of a release that was killed."""
    targets = find_targets(repo.release, repo.family.name)
    version = Version.parse(state.version)
    with (
        open_journal(dist, state.version, state.commit) as journal,
        open_progress("auto") as shown,
    ):
        job = Job(version, repo, dist, state.commit, targets, Options(), journal, shown)
        cancel(job)
    for remark in job.remarks:
        console.note(f"note: {remark}")
