"""`lapstrake new`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import open_repository
from lapstrake.report import console
from lapstrake.scaffold import KINDS, new_runtime


@click.group("new")
def command() -> None:
    """Add to the repository."""


@command.command("runtime")
@click.argument("name")
@click.option(
    "--from",
    "kind",
    type=click.Choice(list(KINDS)),
    default="file",
    help="`file`: a module that is copied into the image. `python`: a Python project with "
    "requirements and tests, whose wheel is in the image and in releases.",
)
@click.pass_obj
def runtime(directory: Path, name: str, kind: str) -> None:
    """Add runtimes/NAME: a runtime that builds and passes as it is, to be changed from there."""
    repo = open_repository(directory)
    for file in new_runtime(repo, name, kind):
        console.say(repo.relative(file))
    console.say(f"\nnext: lapstrake lock && lapstrake build {name} && lapstrake smoke {name}")
