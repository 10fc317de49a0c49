"""A verdict as a value, and what several of them amount to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from lapstrake.errors import UserError
from lapstrake_release.beside.artifact import Kind
from lapstrake_release.beside.document import Document

KIND = Kind("verdict", "application/vnd.lapstrake.verdict.v1+json")

Outcome = Literal["pass", "fail"]

LONGEST_NOTE = 4000
_LONGEST_NAME = 100


class Verdict(Document):
    """What one person found of one image.

    Attributes:
        by: who; a login on GitHub where it came as a comment.
        note: what they say of it; may be empty.
        source: the address of the comment that it came from; empty for the command line.
    """

    outcome: Outcome
    by: str
    note: str = ""
    source: str = ""


def checked_name(by: str) -> str:
    """Who gives a verdict, fit to be kept and compared.

    Raises:
        UserError: it is empty, too long, or no text.
    """
    name = " ".join(by.split()).removeprefix("@")
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UserError(f"{by!r} is no name", "--by takes a login or a name")
    return name


def standing(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """The last one of each person, the earliest first."""
    last: dict[str, Verdict] = {}
    for verdict in sorted(verdicts, key=lambda v: v.order):
        last[verdict.by.casefold()] = verdict
    return tuple(sorted(last.values(), key=lambda v: v.order))


def said(verdicts: Iterable[Verdict], needed: int = 1) -> str:
    """What they amount to, as one phrase: who failed it; else who passed it; who is missing."""
    last = standing(verdicts)
    if failed := [v.by for v in last if v.outcome == "fail"]:
        return f"failed by {', '.join(failed)}"
    passed = [v.by for v in last]
    if not passed:
        return "not tested"
    if len(passed) < needed:
        return f"passed by {', '.join(passed)}; {needed} have to"
    return f"passed by {', '.join(passed)}"


def has_passed(verdicts: Iterable[Verdict], needed: int = 1) -> bool:
    """Whether enough people have passed it, and nobody's last word is that it fails."""
    last = standing(verdicts)
    return len(last) >= needed and all(v.outcome == "pass" for v in last)
