"""The errors that a user is meant to see, and how a process ends.

A `UserError` is a sentence about the user's input or machine; everything else that reaches the
command line is a bug of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class Exit(IntEnum):
    """Exit codes of the `lapstrake` command."""

    OK = 0
    USER = 1
    USAGE = 2
    BUG = 3
    INTERRUPTED = 130


class UserError(Exception):
    """Something the user can mend: one line that says what and where, and what to do.

    Args:
        message: one line, without a full stop at its end.
        hint: what to do about it, one line; empty where the message says it all.
        details: more lines, printed indented below (a tool's own words, a service's log).
    """

    def __init__(self, message: str, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a file: sorted by file, line, message."""

    path: str
    line: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class DefinitionError(UserError):
    """Every problem of the definition's files at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        first = self.problems[0]
        super().__init__(str(first), first.hint, tuple(str(p) for p in self.problems[1:]))


def relative_to(path: Path, root: Path) -> str:
    """`path` as the user knows it: below the repository's root where it lies there."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return str(path)
