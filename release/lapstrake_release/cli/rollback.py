"""`lapstrake rollback`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import open_repository
from lapstrake.report import console
from lapstrake_release.channels.author import find_author
from lapstrake_release.channels.registry import opened
from lapstrake_release.channels.rollback import rollback
from lapstrake_release.channels.settings import find_channel
from lapstrake_release.channels.shown import moved_json, show_moved
from lapstrake_release.published import find_repositories


@click.command("rollback")
@click.argument("channel")
@click.option("--to", type=click.IntRange(1), metavar="N", help="As by this move.")
@click.option("--why", required=True, metavar="TEXT", help="For the history.")
@click.option("--by", metavar="NAME", help="Who does so; by default as git or GitHub know you.")
@click.option("--registry", metavar="HOST/PATH", help="Only there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path,
    channel: str,
    to: int | None,
    why: str,
    by: str | None,
    registry: str | None,
    as_json: bool,
) -> None:
    """Let CHANNEL hold again what it held before: only tags move.

    Without --to it goes back to the promotion before; doing so again goes one further back.
    """
    repo = open_repository(directory)
    find_channel(repo, channel)
    author = find_author(repo.root, by, why)
    repositories = find_repositories(repo, [registry] if registry else ())
    with opened(repositories) as clients:
        moved = [rollback(clients[r], channel, to, author) for r in repositories]
    if as_json:
        console.say_json([moved_json(m) for m in moved])
    else:
        show_moved(moved)
