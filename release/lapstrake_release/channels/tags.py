"""The tags of a channel. Images' tags never begin with `_`, so ours for records and claims do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_CLAIM = re.compile(r"_claim\.(?P<channel>[a-z0-9-]+)\.(?P<number>[1-9][0-9]*)\.(?P<job>[0-9a-f]+)")
_RECORD = re.compile(r"_channel\.(?P<channel>[a-z0-9-]+)(?:\.(?P<number>[1-9][0-9]*))?")
_NUMBERED = re.compile(r"(?P<channel>[a-z][a-z0-9-]*)\.(?P<number>[1-9][0-9]*)(?:-.+)?")


def moving(channel: str, suffix: str) -> str:
    """The tag of one image that moves; `suffix` is what follows a version in its tags."""
    return f"{channel}{suffix}"


def numbered(channel: str, number: int, suffix: str) -> str:
    """The tag of one image that a move leaves for good."""
    return f"{channel}.{number}{suffix}"


def head(channel: str) -> str:
    """The tag of the record of a channel's last move, finished or not."""
    return f"_channel.{channel}"


def record(channel: str, number: int) -> str:
    """The tag of the record of a move that is over."""
    return f"_channel.{channel}.{number}"


def claim(channel: str, number: int, job: str) -> str:
    """The tag by which a job says that it is about to make a move."""
    return f"_claim.{channel}.{number}.{job}"


def claims(names: Iterable[str], channel: str, number: int) -> list[str]:
    """Those of the names that claim a move, sorted."""
    found = ((n, _CLAIM.fullmatch(n)) for n in names)
    return sorted(
        n for n, m in found if m and (m["channel"], int(m["number"])) == (channel, number)
    )


def all_claims(names: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """Every claim: its name, its channel and the move's number."""
    for name in names:
        if found := _CLAIM.fullmatch(name):
            yield name, found["channel"], int(found["number"])


def records(names: Iterable[str]) -> Iterator[tuple[str, str, int | None]]:
    """Every record: its name, its channel and the move's number, None for a channel's head."""
    for name in names:
        if found := _RECORD.fullmatch(name):
            yield name, found["channel"], int(found["number"]) if found["number"] else None


def highest(names: Iterable[str], channel: str) -> int:
    """The highest number that any tag of a channel has; 0 where none has one."""
    return max((n for _, c, n in numbers(names) if c == channel), default=0)


def highest_record(names: Iterable[str], channel: str) -> int:
    """The number of the last move whose record is kept for good; 0 where there is none."""
    return max((n or 0 for _, c, n in records(names) if c == channel), default=0)


def numbers(names: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """Every name with a number of a channel, images' and records': name, channel, number."""
    for name in names:
        found = _NUMBERED.fullmatch(name.removeprefix("_channel."))
        if found:
            yield name, found["channel"], int(found["number"])
