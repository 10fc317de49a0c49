"""`lapstrake channels`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lapstrake.cli.common import open_repository
from lapstrake.definition.repository import Repository as Definition
from lapstrake.report import console
from lapstrake_release.channels import tags
from lapstrake_release.channels.author import find_author
from lapstrake_release.channels.move import Author, Mover
from lapstrake_release.channels.registry import ChannelRegistry, opened
from lapstrake_release.channels.settings import find_channel
from lapstrake_release.channels.shown import move_json
from lapstrake_release.channels.state import Standing, read_channels
from lapstrake_release.published import find_repositories


@click.command("channels")
@click.option("--registry", metavar="HOST/PATH", help="Only there.")
@click.option("--repair", is_flag=True, help="Finish or undo moves that were interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(directory: Path, registry: str | None, repair: bool, as_json: bool) -> None:
    """What is in which channel, and whether one is between two versions.

    --repair completes a move that was interrupted, or undoes it where nothing had moved yet, and
    puts back tags that something else has moved. `promote` and `rollback` do so, too.
    """
    repo = open_repository(directory)
    channels = [find_channel(repo, c.name).name for c in repo.family.channels]
    repositories = find_repositories(repo, [registry] if registry else ())
    with opened(repositories) as clients:
        if repair:
            author = find_author(repo.root, None, None)
            for place in repositories:
                for channel in channels:
                    _repair(clients[place], channel, author)
        found = [s for r in repositories for s in read_channels(clients[r], channels)]
    if as_json:
        console.say_json([_json(s) for s in found])
    else:
        _show(repo, found)


def _repair(registry: ChannelRegistry, channel: str, author: Author) -> None:
    mover = Mover(registry, channel, author)
    last, repaired = mover.settled()
    where = f"{registry.repository}: {channel}"
    if repaired and last is not None:
        console.note(f"{where}: move {last.number} is {repaired}")
    for tag in mover.restore(last) if last is not None else ():
        console.note(f"{where}: {tag} holds again what move {last.number if last else 0} says")


def _show(repo: Definition, found: list[Standing]) -> None:
    many = len({s.repository for s in found}) > 1
    head = ["CHANNEL", "VERSION", "MOVE", "WHEN", "WHO", "STATE"]
    rows = []
    for standing in found:
        line = standing.last.line if standing.last else None
        cells = [standing.version or "-", str(line.number), line.when, line.who] if line else "----"
        rows.append([standing.channel, *cells, standing.condition])
        if many:
            rows[-1].insert(0, str(standing.repository))
    if not many and found:
        console.say(f"{repo.family.name} in {found[0].repository}")
    console.table(["REGISTRY", *head] if many else head, rows)
    for standing in found:
        _explain(standing)


def _explain(standing: Standing) -> None:
    where = f"{standing.repository}:"
    if standing.condition == "moving":
        console.note(f"note: {standing.channel} is being moved by {standing.mover}")
    if standing.condition == "interrupted":
        moved = len(standing.now) - len(standing.amiss)
        console.note(
            f"note: a move of {standing.channel} was interrupted when {moved} of "
            f"{len(standing.now)} tags held {standing.last.line.version if standing.last else ''}: "
            "`lapstrake channels --repair` finishes or undoes it"
        )
    for image, digest in standing.amiss:
        if standing.condition in {"strayed", "interrupted"}:
            tag = tags.moving(standing.channel, image.suffix)
            console.note(f"note: {where}{tag} holds {digest or 'nothing'}, not {image.digest}")


def _json(standing: Standing) -> dict[str, Any]:
    return {
        "registry": str(standing.repository),
        "channel": standing.channel,
        "state": standing.condition,
        "version": standing.last.line.version if standing.last else "",
        "mover": standing.mover,
        "amiss": {tags.moving(standing.channel, i.suffix): digest for i, digest in standing.amiss},
        "last": move_json(standing.last) if standing.last else None,
    }
