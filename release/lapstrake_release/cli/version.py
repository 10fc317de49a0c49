"""`lapstrake version`: show, next, check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import click

from lapstrake.definition.load import find_root, load
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.version import Version
from lapstrake_release.history import History, Step, check_new, next_version, read_history

_STEPS = click.Choice(["dev", "rc", "final", "patch"])
_SPELLINGS = click.Choice(["ours", "pep440", "semver", "git-tag"])


@dataclass(frozen=True)
class _Spellings:
    """One version as JSON."""

    version: str
    kind: str
    pep440: str
    semver: str
    git_tag: str
    branch: str


@click.group("version")
def command() -> None:
    """The version's spellings, the next one, and whether one can be released."""


@command.command("show")
@click.argument("version", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(directory: Path, version: str | None, as_json: bool) -> None:
    """How a version is spelled where; by default that of the definition."""
    read = Version.parse(version or load(find_root(directory)).family.version)
    if as_json:
        console.say_json(asdict(_spellings(read)))
        return
    rows = [
        (read.ours, "images, lapstrake"),
        (read.pep440, "wheels, pip"),
        (read.semver, "SemVer"),
        (read.git_tag, "git, GitHub"),
        (read.branch, "the branch of its patches"),
    ]
    console.table(["SPELLING", "WHERE"], rows)


@command.command("next")
@click.argument("step", type=_STEPS)
@click.option("--major", is_flag=True, help="Begin the next major version.")
@click.option("--spelling", type=_SPELLINGS, default="ours", show_default=True, help="How to say.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def next_(directory: Path, step: Step, major: bool, spelling: str, as_json: bool) -> None:
    """The version that comes next, from git's tags and the branch that is checked out."""
    _answer(next_version(step, _history(directory), major=major), spelling, as_json)


@command.command("check")
@click.argument("version")
@click.option("--spelling", type=_SPELLINGS, default="ours", show_default=True, help="How to say.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check(directory: Path, version: str, spelling: str, as_json: bool) -> None:
    """Refuse a version that was released, goes backwards, skips, or isn't this branch's."""
    read = Version.parse(version)
    check_new(read, _history(directory))
    _answer(read, spelling, as_json)


def _history(directory: Path) -> History:
    if not directory.is_dir():
        raise UserError(f"{directory} is no folder")
    return read_history(directory)


def _answer(version: Version, spelling: str, as_json: bool) -> None:
    if as_json:
        console.say_json(asdict(_spellings(version)))
    else:
        console.say(str(getattr(version, spelling.replace("-", "_"))))


def _spellings(version: Version) -> _Spellings:
    return _Spellings(
        version.ours,
        version.kind,
        version.pep440,
        version.semver,
        version.git_tag,
        version.branch,
    )
