"""`lapstrake cache push`, `lapstrake cache pull`: layers shared through a registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lapstrake import process
from lapstrake.cli.common import existing_store, open_lock, open_repository
from lapstrake.errors import UserError
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan
from lapstrake.report import console
from lapstrake.report.progress import Mode, Progress, open_progress
from lapstrake.store.store import Store, default_root

if TYPE_CHECKING:
    from lapstrake.registry.repository import Repository
    from lapstrake.share.pull import Fetched
    from lapstrake.share.push import Pushed

_PROGRESS = click.option(
    "--progress",
    type=click.Choice(["auto", "live", "plain", "json"]),
    default="auto",
    show_default=True,
    help="How to show what goes on.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("push")
@click.argument("reference", metavar="REF")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_PROGRESS
@_JSON
@click.pass_obj
def push_command(
    directory: Path, reference: str, names: tuple[str, ...], progress: Mode, as_json: bool
) -> None:
    """Push cached layers to REF, a repository of a registry (HOST[:PORT]/PATH).

    Those of the images NAME, by default of all, that the cache has and REF has not. Nothing is
    built.
    """
    from lapstrake.registry.repository import Repository
    from lapstrake.share.push import push

    repository = Repository.parse(reference)
    plan = _plan(directory, names)
    store = existing_store()
    if store is None:
        raise UserError(f"there is no cache in {default_root()}", "`lapstrake build` makes one")
    with open_progress(progress) as shown:
        pushed = push(plan, store, repository, shown)
    if as_json:
        console.say_json({"repository": str(repository), **asdict(pushed)})
    else:
        _say(_pushed(pushed, repository))


@click.command("pull")
@click.argument("reference", metavar="REF")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_PROGRESS
@_JSON
@click.pass_obj
def pull_command(
    directory: Path, reference: str, names: tuple[str, ...], progress: Mode, as_json: bool
) -> None:
    """Pull layers that the cache lacks from REF, a repository of a registry (HOST[:PORT]/PATH).

    Those of the images NAME, by default of all. What REF lacks is no error: the next build makes
    it. A layer that isn't what it should be is refused.
    """
    from lapstrake.registry.repository import Repository
    from lapstrake.share.pull import pull

    repository = Repository.parse(reference)
    plan = _plan(directory, names)
    with open_progress(progress) as shown:
        fetched = pull(plan, Store(), repository, shown)
    if as_json:
        console.say_json({"repository": str(repository), **asdict(fetched)})
    else:
        _say(_fetched(fetched, repository))


@dataclass(frozen=True)
class Sharing:
    """Where a build's layers come from, and where they go."""

    sources: tuple[Repository, ...]
    targets: tuple[Repository, ...]

    @classmethod
    def parse(cls, sources: Sequence[str], targets: Sequence[str]) -> Sharing:
        """Read references; `UserError` where one is none."""
        if not sources and not targets:
            return cls((), ())
        from lapstrake.registry.repository import Repository

        return cls(*(tuple(map(Repository.parse, words)) for words in (sources, targets)))

    def before(self, plan: Plan, store: Store, progress: Progress) -> None:
        """Pull; a registry that can't be asked is no reason not to build."""
        for repository in self.sources:
            from lapstrake.share.pull import pull

            try:
                lines = _fetched(pull(plan, store, repository, progress), repository)
            except process.Stopped:
                raise
            except UserError as error:
                lines = [f"no layers from {repository}: {error.message}"]
            for line in lines:
                progress.note(line)

    def after(self, plan: Plan, store: Store, progress: Progress) -> None:
        """Push all that a registry lacks, also what was there before the build."""
        for repository in self.targets:
            from lapstrake.share.push import push

            for line in _pushed(push(plan, store, repository, progress), repository):
                progress.note(line)


def _pushed(pushed: Pushed, repository: Repository) -> list[str]:
    """What a push did, the summary last."""
    other = [f"{t}: {repository} has other bytes for it, which stay" for t in pushed.other]
    lacking = f", {pushed.lacking} not in the cache" if pushed.lacking else ""
    size = console.bytes_text(pushed.bytes)
    summary = f"{_layers(pushed.sent)} pushed ({size}), {pushed.there} there already{lacking}"
    return [*other, f"{summary}: {repository}"]


def _fetched(fetched: Fetched, repository: Repository) -> list[str]:
    """What a pull did, the summary last."""
    bad = [f"{title}: refused, {reason}" for title, reason in fetched.refused]
    refused = f", {len(bad)} refused" if bad else ""
    size = console.bytes_text(fetched.bytes)
    there = f"{fetched.there} in the cache already, {len(fetched.missing)} not there{refused}"
    return [*bad, f"{_layers(fetched.pulled)} pulled ({size}), {there}: {repository}"]


def _say(lines: list[str]) -> None:
    """The summary is the command's answer, all else stands beside it."""
    for line in lines[:-1]:
        console.note(line)
    console.say(lines[-1])


def _layers(count: int) -> str:
    return f"{count} layer{'' if count == 1 else 's'}"


def _plan(directory: Path, names: tuple[str, ...]) -> Plan:
    repo = open_repository(directory)
    return make_plan(repo, open_lock(repo), names)
