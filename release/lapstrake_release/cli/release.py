"""`lapstrake release`: VERSION, status, cancel, verify."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from lapstrake.cli.common import dist_folder, open_repository
from lapstrake.definition.repository import Repository
from lapstrake.engines.choice import NAMES
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.report.progress import Mode, Progress, open_progress
from lapstrake.store.store import write_staged
from lapstrake.version import Version
from lapstrake_release import preview, summary, worktree
from lapstrake_release.cli import verify
from lapstrake_release.cli.jobs import cancel_command, status_command
from lapstrake_release.job import Job, Options
from lapstrake_release.journal import Journal, open_journal, unwritten
from lapstrake_release.phases.check import check
from lapstrake_release.release import Ended, release
from lapstrake_release.snapshot import loopback, snapshot_folder
from lapstrake_release.targets import Targets, find_targets


class _Release(click.Group):
    """A group whose first word may be a version instead of a subcommand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`release 1.2.0 …` is `release run 1.2.0 …`."""
        return super().parse_args(ctx, self.spelled_out(args))

    def spelled_out(self, args: list[str]) -> list[str]:
        """The words with the subcommand that they leave out."""
        plain = bool(args) and args[0] not in {*self.commands, "-h", "--help"}
        return ["run", *args] if plain else args


@click.group("release", cls=_Release)
def command() -> None:
    """Publish one version: images, wheels and a draft release, or nothing at all.

    `lapstrake release VERSION` is short for `lapstrake release run VERSION`.
    """


command.add_command(status_command)
command.add_command(cancel_command)
command.add_command(verify.command)


@command.command("run")
@click.argument("version")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--only", multiple=True, metavar="TARGET", help="Release to these targets alone.")
@click.option("--engine", type=click.Choice(NAMES), help="What builds, as in `lapstrake build`.")
@click.option("--jobs", type=click.IntRange(1), help="Layers at a time; by default the cores.")
@click.option("--prebuilt", is_flag=True, help="Publish what dist/ holds; build nothing.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, with every name.")
@click.option("--snapshot", is_flag=True, help="Do all of it into dist/ and loopback only.")
@click.option("--progress", type=click.Choice(["auto", "live", "plain", "json"]), default="auto")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_obj
def run_command(
    directory: Path,
    version: str,
    dist: str,
    only: tuple[str, ...],
    engine: str | None,
    jobs: int | None,
    prebuilt: bool,
    dry_run: bool,
    snapshot: bool,
    progress: Mode,
    as_json: bool,
) -> None:
    """Release VERSION.

    It is checked, built and tested; the images are pushed under temporary names and read back;
    then come the wheels, the public names and the draft. One that was ended at any moment goes on
    when it is started again.
    """
    wanted = Version.parse(version)
    repo = _with_version(open_repository(directory), wanted)
    folder = dist_folder(repo, dist)
    options = Options(engine, jobs or len(os.sched_getaffinity(0)), prebuilt, snapshot)
    with _targets(repo, folder, only, snapshot) as targets, open_progress(progress) as shown:
        begun = _Begun(wanted, repo, folder, targets, options, shown)
        if dry_run:
            begun.plan(as_json)
        else:
            begun.run(as_json)


class _Begun:
    """A command line that was understood."""

    def __init__(
        self,
        version: Version,
        repo: Repository,
        dist: Path,
        targets: Targets,
        options: Options,
        progress: Progress,
    ) -> None:
        self._parts = (version, repo, dist)
        self._more = (targets, options)
        self._progress = progress
        self._commit = _commit(repo, options)

    def plan(self, as_json: bool) -> None:
        """Print the plan, then what is in its way."""
        job = self._job(unwritten(self._parts[0].ours))
        found = preview.preview(job)
        if as_json:
            console.say_json(found.to_json())
        else:
            preview.show(found)
        check(job)

    def run(self, as_json: bool) -> None:
        """Release, and say what became of it."""
        version, _, dist = self._parts
        if self._more[1].snapshot:
            # what is done on loopback says nothing of what is public
            dist = snapshot_folder(dist)
        with open_journal(dist, version.ours, self._commit) as journal:
            job = self._job(journal)
            console.note(f"job {journal.state.job}: release {version.ours}")
            ended = release(job)
            if ended.refused:
                journal.discard()
            else:
                data = json.dumps(summary.to_json(job, ended), indent=1, default=str)
                write_staged(dist / f"release-{version.ours}.json", data.encode() + b"\n")
        _report(job, ended, as_json)

    def _job(self, journal: Journal) -> Job:
        version, repo, dist = self._parts
        targets, options = self._more
        return Job(version, repo, dist, self._commit, targets, options, journal, self._progress)


def _report(job: Job, ended: Ended, as_json: bool) -> None:
    summary.write_page(job, ended)
    if as_json:
        console.say_json(summary.to_json(job, ended))
    elif not ended.refused:
        summary.show(job, ended)
    if ended.error is not None:
        raise ended.error
    if ended.outcome == "cancelled":
        raise KeyboardInterrupt


def _commit(repo: Repository, options: Options) -> str:
    """What is checked out; a snapshot may be of no checkout at all."""
    try:
        return worktree.head(repo.root)
    except UserError:
        if options.snapshot:
            return ""
        raise


def _with_version(repo: Repository, version: Version) -> Repository:
    """The definition as it is for this release."""
    return replace(repo, family=repo.family.model_copy(update={"version": version.ours}))


@contextlib.contextmanager
def _targets(
    repo: Repository, dist: Path, only: tuple[str, ...], snapshot: bool
) -> Iterator[Targets]:
    if not snapshot:
        yield find_targets(repo.release, repo.family.name, only)
        return
    if only:
        raise UserError("--snapshot has targets of its own", "leave --only away")
    with loopback(dist, repo.family.name) as found:
        yield found
