"""Commands in comments: `/lapstrake pass`, `/lapstrake fail`. Pure: text to commands.

A command is a line of its own that begins so, outside of quotes and blocks of code; what follows,
up to the next one, is its note.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lapstrake.errors import UserError
from lapstrake_release.verdicts.model import LONGEST_NOTE, Outcome

_COMMAND = re.compile(r"/lapstrake(?:[ \t]+(?P<verb>\S+))?(?:[ \t]+(?P<rest>.*))?[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_OUTCOMES: dict[str, Outcome] = {
    "pass": "pass",
    "passed": "pass",
    "fail": "fail",
    "failed": "fail",
}


@dataclass(frozen=True)
class Command:
    """A verdict that a comment gives on images; `note` is what it says of them."""

    outcome: Outcome
    images: tuple[str, ...]
    note: str


def commands_in(text: str, images: Collection[str]) -> tuple[Command, ...]:
    """The commands of a comment on an issue about some images, in their order.

    Raises:
        UserError: a command is none, or doesn't say of which of several images.
    """
    found: list[Command] = []
    for line, below in _lines(text):
        found.append(_command(line, below, images))
    return tuple(found)


def has_command(text: str) -> bool:
    """Whether a comment means to command at all."""
    return next(_lines(text), None) is not None


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line that is a command, with the lines below it up to the next."""
    begun, below = "", list[str]()
    fence = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        if not fence and not mark and _COMMAND.fullmatch(line):
            if begun:
                yield begun, "\n".join(below)
            begun, below = line, []
        else:
            below.append(line)
    if begun:
        yield begun, "\n".join(below)


def _command(line: str, below: str, images: Collection[str]) -> Command:
    found = _COMMAND.fullmatch(line)
    verb, rest = (found["verb"] or "", found["rest"] or "") if found else ("", "")
    outcome = _OUTCOMES.get(verb.lower())
    if outcome is None:
        raise UserError(f"{verb or 'nothing'!r} is no verdict", "/lapstrake pass, /lapstrake fail")
    named, note = _named(rest, images)
    text = "\n".join((note, below.strip())).strip()
    return Command(outcome, named, text[:LONGEST_NOTE])


def _named(rest: str, images: Collection[str]) -> tuple[tuple[str, ...], str]:
    """The images that the first word names, and the words after it."""
    first, _, more = rest.strip().partition(" ")
    words = [w.strip("`") for w in first.rstrip(":").split(",") if w]
    if words == ["all"] and len(images) > 1:
        return tuple(sorted(images)), more.strip()
    if words and all(w in images for w in words):
        return tuple(dict.fromkeys(words)), more.strip()
    if len(images) == 1:
        return tuple(images), rest.strip()
    have = ", ".join(sorted(images))
    raise UserError("the verdict doesn't say which image it is about", f"there are {have}; or all")
