"""`lapstrake cache push`, `lapstrake cache pull`: layers shared through a registry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lapstrake.cli.common import existing_store, open_lock, open_repository
from lapstrake.errors import UserError
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan
from lapstrake.report import console
from lapstrake.report.progress import Mode, open_progress
from lapstrake.store.store import Store, default_root

if TYPE_CHECKING:
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
        say_pushed(pushed, reference)


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
        say_fetched(fetched, reference)


def say_pushed(pushed: Pushed, reference: str) -> None:
    """What a push did; layers that are there with other bytes go to stderr."""
    for title in pushed.other:
        console.note(f"{title}: {reference} has other bytes for it, which stay")
    lacking = f", {pushed.lacking} not in the cache" if pushed.lacking else ""
    console.say(
        f"{_layers(pushed.sent)} pushed ({console.bytes_text(pushed.bytes)}), "
        f"{pushed.there} there already{lacking}: {reference}"
    )


def say_fetched(fetched: Fetched, reference: str) -> None:
    """What a pull did; what was refused goes to stderr."""
    for title, reason in fetched.refused:
        console.note(f"{title}: refused, {reason}")
    refused = f", {len(fetched.refused)} refused" if fetched.refused else ""
    console.say(
        f"{_layers(fetched.pulled)} pulled ({console.bytes_text(fetched.bytes)}), "
        f"{fetched.there} in the cache already, {len(fetched.missing)} not there{refused}: "
        f"{reference}"
    )


def _layers(count: int) -> str:
    return f"{count} layer{'' if count == 1 else 's'}"


def _plan(directory: Path, names: tuple[str, ...]) -> Plan:
    repo = open_repository(directory)
    return make_plan(repo, open_lock(repo), names)
