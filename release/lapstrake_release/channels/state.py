"""What is in which channel now: what its last record says, and what its tags hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lapstrake.registry.repository import Repository
from lapstrake_release.channels import tags
from lapstrake_release.channels.claim import living
from lapstrake_release.channels.record import Held, Move
from lapstrake_release.channels.registry import ChannelRegistry

# settled: all tags hold what the last move says; strayed: something else has moved some of them;
# moving: somebody is at it; interrupted: nobody is any more.
Condition = Literal["empty", "settled", "strayed", "moving", "interrupted"]


@dataclass(frozen=True)
class Standing:
    """One channel of one repository.

    Attributes:
        last: its last move, finished or not; None for a channel that never moved.
        now: the digest that each image's moving tag has now, by suffix; empty for none.
        mover: who is moving it.
    """

    repository: Repository
    channel: str
    condition: Condition
    last: Move | None
    now: dict[str, str]
    mover: str = ""

    @property
    def version(self) -> str:
        """What it holds; where it is between two versions, `OLD → NEW`; empty for nothing."""
        if self.last is None:
            return ""
        line = self.last.line
        if self.last.is_over:
            return line.version
        before = self.last.before[-1].version if self.last.before else ""
        return f"{before or 'nothing'} → {line.version}"

    @property
    def amiss(self) -> tuple[tuple[Held, str], ...]:
        """The images whose moving tag holds something else than the last move says, and what."""
        if self.last is None:
            return ()
        return tuple((i, d) for i in self.last.images if (d := self.now[i.suffix]) != i.digest)


def read_channel(registry: ChannelRegistry, channel: str) -> Standing:
    """What a channel holds.

    Raises:
        UserError: the registry can't be reached, or the record can't be read.
    """
    last = registry.head(channel)
    if last is None:
        return Standing(registry.repository, channel, "empty", None, {})
    names = [tags.moving(channel, i.suffix) for i in last.images]
    found = registry.each(names, registry.digest)
    now = {i.suffix: d for i, d in zip(last.images, found, strict=True)}
    mover = ""
    if last.is_over:
        settled = all(now[i.suffix] == i.digest for i in last.images)
        condition: Condition = "settled" if settled else "strayed"
        if not last.images:
            condition = "empty"
    else:
        claims = living(registry, channel, last.number)
        mover = str(claims[0]) if claims else ""
        condition = "moving" if claims else "interrupted"
    return Standing(registry.repository, channel, condition, last, now, mover)


def read_channels(registry: ChannelRegistry, channels: Iterable[str]) -> tuple[Standing, ...]:
    """What each channel holds, in their order."""
    return tuple(read_channel(registry, c) for c in channels)
