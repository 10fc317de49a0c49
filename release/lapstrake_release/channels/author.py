"""Who moves a channel: what is known of them without being asked."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake_release.channels.claim import new_job
from lapstrake_release.channels.move import Author

# The history has a line for each move, and fifty lines lie in one manifest.
LONGEST_WHY = 300
_LONGEST_WHO = 100


def find_author(
    folder: Path, by: str | None, why: str | None, env: Mapping[str, str] = os.environ
) -> Author:
    """Who it is: as they say, else as GitHub Actions, git or the machine know them.

    Raises:
        UserError: a text is too long, or has characters that can't be shown.
    """
    who = _text("--by", by if by is not None else _known(folder, env), _LONGEST_WHO)
    if not who:
        raise UserError("nothing says who you are", "say so with --by NAME")
    return Author(who, new_job(), _text("--why", why or "", LONGEST_WHY), _run(env))


def _known(folder: Path, env: Mapping[str, str]) -> str:
    if actor := env.get("GITHUB_ACTOR"):
        return actor
    if process.which("git") is not None:
        result = process.run(["git", "-C", folder, "config", "user.name"], check=False)
        if name := result.stdout.strip():
            return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _run(env: Mapping[str, str]) -> str:
    """The page of the run, in GitHub Actions."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, number = (env.get(n, "") for n in names)
    return f"{server}/{repository}/actions/runs/{number}" if server and number else ""


def _text(option: str, value: str, longest: int) -> str:
    text = " ".join(value.split())
    if len(text) > longest:
        raise UserError(f"{option} has {len(text)} characters", f"at most {longest}")
    if not text.isprintable():
        raise UserError(f"{option} has characters that can't be shown")
    return text
