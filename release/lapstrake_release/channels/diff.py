"""What differs between two channels, or between two moves of them: packages, sizes, findings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lapstrake.definition.repository import Repository as Definition
from lapstrake.errors import UserError
from lapstrake.store.scratch import temporary_folder
from lapstrake_release.channels.record import Move
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.page import before, earlier
from lapstrake_release.page.facts import ImageChange

_WORD = re.compile(r"(?P<channel>[a-z][a-z0-9-]*)(?:\.(?P<number>[1-9][0-9]*))?")


@dataclass(frozen=True)
class ChannelDifference:
    """How what one channel holds differs from what another one does.

    Attributes:
        a, b: what each side holds, such as `staging 4, 1.2.0.rc1`.
        images: those that both have.
        only_a, only_b: names of images that the other side hasn't.
    """

    a: str
    b: str
    images: tuple[ImageChange, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether both hold the same images."""
        return all(i.equal for i in self.images) and not self.only_a and not self.only_b

    @property
    def unscanned(self) -> tuple[str, ...]:
        """Images that differ, of one side of which no scan is stored."""
        return tuple(i.name for i in self.images if not i.equal and i.risks is None)


def names_channel(definition: Definition, word: str) -> bool:
    """Whether a word is CHANNEL or CHANNEL.N, of a channel that there is."""
    found = _WORD.fullmatch(word)
    return found is not None and found["channel"] in {c.name for c in definition.family.channels}


def compare_channels(registry: ChannelRegistry, a: str, b: str, dist: Path) -> ChannelDifference:
    """Compare what two channels hold, or held by a move.

    Args:
        registry: where.
        a: CHANNEL or CHANNEL.N.
        b: the same.
        dist: a build that may have the same layers: those needn't be fetched.

    Raises:
        UserError: one holds nothing, or the registry can't be reached.
    """
    one, other = _held(registry, a), _held(registry, b)
    with temporary_folder("diff") as first, temporary_folder("diff") as second:
        sides = (
            earlier.side(_digests(one), registry, dist, first),
            earlier.side(_digests(other), registry, dist, second),
        )
        changes = before.with_risks(before.differences(a, *sides), registry)
    return ChannelDifference(
        _said(one), _said(other), changes.images, changes.removed, changes.added
    )


def _held(registry: ChannelRegistry, word: str) -> Move:
    found = _WORD.fullmatch(word)
    if found is None:
        raise UserError(f"{word!r} is no channel", "write CHANNEL, or CHANNEL.N for a move")
    channel, number = found["channel"], found["number"]
    move = registry.record(channel, int(number)) if number else registry.head(channel)
    if move is not None and not move.is_over:
        raise UserError(
            f"{channel} is between two versions",
            "wait, or `lapstrake channels --repair` where the move was interrupted",
        )
    if move is None or not move.images:
        said = f"has no move {number} of {channel}" if number else f"has nothing in {channel}"
        hint = f"`lapstrake history {channel}` shows its moves"
        raise UserError(f"{registry.repository} {said}", hint)
    return move


def _digests(move: Move) -> dict[str, str]:
    return {i.name: i.digest for i in move.images}


def _said(move: Move) -> str:
    return f"{move.channel} {move.number}, {move.line.version}"
