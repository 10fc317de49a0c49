"""The git checkout that is released."""

from __future__ import annotations

from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError

_SHOWN = 5


def head(root: Path) -> str:
    """The full hash of what is checked out.

    Raises:
        UserError: `root` lies in no git checkout, or nothing was committed yet.
    """
    result = process.run(["git", "-C", root, "rev-parse", "--verify", "-q", "HEAD"], check=False)
    if result.code != 0:
        raise UserError(f"{root} is no git checkout with a commit", "a release is of a commit")
    return result.stdout.strip()


def check_clean(root: Path, dist: Path) -> None:
    """Refuse a checkout that isn't what its commit says; dist/ doesn't count.

    Raises:
        UserError: files differ, or are new and not ignored; it names the first.
    """
    args = ["-C", str(root), "status", "--porcelain", "--untracked-files=normal", "--", "."]
    result = process.run(["git", *args, *_but(root, dist)])
    changed = [line[3:] for line in result.stdout.splitlines()]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise UserError(
            f"the checkout is not clean: {changed[0]}{more}",
            "commit them, `git stash` them, or let git ignore them",
            tuple(changed[1:_SHOWN]),
        )


def _but(root: Path, dist: Path) -> list[str]:
    try:
        below = dist.relative_to(root).as_posix()
    except ValueError:
        return []
    return [f":(exclude,literal){below}"] if below != "." else []
