"""`lapstrake init`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from lapstrake.errors import relative_to
from lapstrake.report import console
from lapstrake.scaffold import new_repository


@click.command("init")
@click.argument("folder", default=".", metavar="[DIR]")
@click.option("--name", help="The family's name; by default the folder's.")
@click.pass_obj
def command(directory: Path, folder: str, name: str | None) -> None:
    """Begin a repository: a base, a slim, a full and one runtime that builds and passes."""
    target = (directory / folder).resolve()
    files = new_repository(target, name or _name_from(target))
    for file in files:
        console.say(relative_to(file, target))
    there = "" if target == directory.resolve() else f"cd {folder} && "
    console.say(f"\nnext: {there}lapstrake lock && lapstrake build && lapstrake smoke")


def _name_from(folder: Path) -> str:
    """The folder's name, as far as it can be a family's."""
    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "family"
