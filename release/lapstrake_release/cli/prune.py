"""`lapstrake prune`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lapstrake.cli.common import open_repository
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake_release.channels.claim import new_job
from lapstrake_release.channels.prune import Loose, find_loose, remove
from lapstrake_release.channels.registry import ChannelRegistry, opened
from lapstrake_release.channels.settings import find_channel
from lapstrake_release.names import Refused
from lapstrake_release.published import find_repositories


@click.command("prune")
@click.option("--registry", metavar="HOST/PATH", help="Only there.")
@click.option("--keep", multiple=True, metavar="PATTERN", help="Names that stay, such as 'pr-*'.")
@click.option("--yes", is_flag=True, help="Delete what was found.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path, registry: str | None, keep: tuple[str, ...], yes: bool, as_json: bool
) -> None:
    """Show what no channel, number or version holds; with --yes, delete it.

    These are names that a killed release or move has left, and images that were pushed under other
    names. What records of moves, verdicts and findings are about stays with them. A registry frees
    the space when it collects its garbage.
    """
    repo = open_repository(directory)
    channels = [find_channel(repo, c.name).name for c in repo.family.channels]
    repositories = find_repositories(repo, [registry] if registry else ())
    with opened(repositories) as clients:
        found = {r: find_loose(clients[r], channels, keep) for r in repositories}
        if not as_json:
            for place, loose in found.items():
                _show(str(place), loose)
        deleted = {
            r: _remove(clients[r], loose) if yes and loose else () for r, loose in found.items()
        }
    if as_json:
        rows = [
            {"registry": str(r), **asdict(x), "deleted": x in deleted[r]}
            for r in repositories
            for x in found[r]
        ]
        console.say_json(rows)
    elif yes:
        console.say(f"{sum(map(len, deleted.values()))} names deleted")
    elif any(found.values()):
        console.say("nothing is deleted yet: --yes does it")


def _show(place: str, loose: tuple[Loose, ...]) -> None:
    if not loose:
        console.say(f"{place}: everything is held")
        return
    console.say(f"{place}: {len(loose)} names can go")
    rows = [[x.name, x.digest[:19] or "-", _why(x)] for x in loose]
    console.table(["NAME", "DIGEST", "WHY"], rows)


def _why(loose: Loose) -> str:
    return f"{loose.why}; only the name goes" if loose.alone else loose.why


def _remove(registry: ChannelRegistry, loose: tuple[Loose, ...]) -> tuple[Loose, ...]:
    try:
        return remove(registry, loose, new_job())
    except Refused as error:
        raise UserError(
            error.message, "allow them in its settings, or delete the names by its own means"
        ) from None
