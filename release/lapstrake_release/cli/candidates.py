"""`lapstrake candidates`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lapstrake.cli.common import open_repository
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.version import Version
from lapstrake_release import verdicts
from lapstrake_release.beside.referrers import Referrers, opened
from lapstrake_release.published import Published, find_repositories, published, versions_in
from lapstrake_release.verdicts.model import Verdict, has_passed, said


@click.command("candidates")
@click.argument("versions", nargs=-1, metavar="[VERSION]...")
@click.option("--image", "names", multiple=True, metavar="NAME", help="Only these images.")
@click.option("--registry", metavar="HOST/PATH", help="By default the first of the settings.")
@click.option("--open", "only_open", is_flag=True, help="Only what has no verdict yet.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path,
    versions: tuple[str, ...],
    names: tuple[str, ...],
    registry: str | None,
    only_open: bool,
    as_json: bool,
) -> None:
    """What is to be tested: each image with its digest, verdicts, and how to pull it.

    By default of the newest development version, candidate and release that are in the registry,
    but none older than the newest release.
    """
    repo = open_repository(directory)
    place = find_repositories(repo, [registry] if registry else ())[0]
    with opened([place]) as (client,):
        wanted = [Version.parse(v) for v in versions] or _newest(client, repo)
        found = [p for v in wanted for p in published(client, repo, v, names if versions else ())]
        found = [p for p in found if not names or p.image in names]
        given = verdicts.read_all(client, {p.digest for p in found})
    needed = repo.family.qa.verdicts
    rows = [(p, given[p.digest]) for p in found]
    if only_open:
        rows = [(p, v) for p, v in rows if not verdicts.standing(v)]
    if as_json:
        console.say_json([_json(p, v, needed) for p, v in rows])
    else:
        _show(rows, needed)


def _newest(client: Referrers, repo: Repository) -> list[Version]:
    """The newest of each kind that isn't older than the newest final one; ascending."""
    found = versions_in(client.names(), repo)
    newest: dict[str, Version] = {}
    for version in found:
        newest.setdefault(version.kind, version)
    if not newest:
        raise UserError(f"{client.repository} has no version", "release one first")
    final = newest.get("final")
    return sorted(v for v in newest.values() if final is None or v >= final)


def _json(place: Published, given: tuple[Verdict, ...], needed: int) -> dict[str, Any]:
    return {
        "image": place.image,
        "version": str(place.version),
        "digest": place.digest,
        "reference": place.pinned,
        "state": said(given, needed),
        "passed": has_passed(given, needed),
        "verdicts": [v.model_dump(mode="json") for v in given],
    }


def _show(rows: list[tuple[Published, tuple[Verdict, ...]]], needed: int) -> None:
    console.table(
        ["IMAGE", "VERSION", "STATE", "PULL"],
        [[p.image, str(p.version), said(v, needed), f"docker pull {p.pinned}"] for p, v in rows],
    )
