"""`lapstrake new`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import open_repository
from lapstrake.report import console
from lapstrake.scaffold import new_runtime


@click.group("new")
def command() -> None:
    """Add to the repository."""


@command.command("runtime")
@click.argument("name")
@click.pass_obj
def runtime(directory: Path, name: str) -> None:
    """Add runtimes/NAME: a runtime that builds and passes as it is, to be changed from there."""
    repo = open_repository(directory)
    for file in new_runtime(repo, name):
        console.say(repo.relative(file))
    console.say(f"\nnext: lapstrake lock && lapstrake build {name} && lapstrake smoke {name}")
