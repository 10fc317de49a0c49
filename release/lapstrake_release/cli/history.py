"""`lapstrake history`."""

from __future__ import annotations

import itertools
from pathlib import Path

import click

from lapstrake.cli.common import open_repository
from lapstrake.errors import UserError
from lapstrake.registry.repository import Repository
from lapstrake.report import console
from lapstrake_release.channels.history import read_lines
from lapstrake_release.channels.record import Line
from lapstrake_release.channels.registry import opened
from lapstrake_release.channels.settings import find_channel
from lapstrake_release.channels.shown import line_json
from lapstrake_release.published import find_repositories


@click.command("history")
@click.argument("channel")
@click.option("-n", "most", type=click.IntRange(1), metavar="N", help="Only the last N moves.")
@click.option("--registry", metavar="HOST/PATH", help="By default the first of the settings.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path, channel: str, most: int | None, registry: str | None, as_json: bool
) -> None:
    """What CHANNEL held when, who moved it and why; the last move first."""
    repo = open_repository(directory)
    find_channel(repo, channel)
    place = find_repositories(repo, [registry] if registry else ())[0]
    lines = _lines(place, channel, most)
    if as_json:
        console.say_json([{"registry": str(place), **line_json(line)} for line in lines])
        return
    if not lines:
        raise UserError(
            f"{place} has nothing in {channel}",
            f"`lapstrake promote VERSION --to {channel}` puts a version there",
        )
    console.table(
        ["MOVE", "VERSION", "WHEN", "WHO", "WHY"],
        [[str(x.number), x.version or "-", x.when, x.who, _why(x)] for x in lines],
        right=[0],
    )


def _lines(place: Repository, channel: str, most: int | None) -> list[Line]:
    with opened([place]) as clients:
        last = clients[place].head(channel)
        lines = read_lines(clients[place], last) if last is not None else iter(())
        return list(itertools.islice(lines, most))


def _why(line: Line) -> str:
    """The reason, and what else is remarkable about a move."""
    remarks = []
    if line.state == "undone":
        remarks.append(f"undone: {line.wanted} was interrupted before anything had moved")
    elif line.state == "moving":
        remarks.append("not finished")
    elif line.kind == "rollback":
        remarks.append(f"back to move {line.origin}")
    if line.source:
        remarks.append(f"from {line.source}")
    said = f" ({', '.join(remarks)})" if remarks else ""
    return f"{line.why}{said}".strip()
