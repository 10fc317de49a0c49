"""What a channel held when: the last record has the last moves, every fiftieth the ones before."""

from __future__ import annotations

from collections.abc import Iterator

from lapstrake_release.channels.record import PAGE, Line, Move
from lapstrake_release.channels.registry import ChannelRegistry

# Pages that are asked for at a time.
_AT_ONCE = 40


def read_lines(registry: ChannelRegistry, last: Move) -> Iterator[Line]:
    """Every move of a channel, the last one first; pages are asked for as they are wanted.

    A move whose record somebody has deleted is left out.

    Args:
        registry: where.
        last: the channel's last move.

    Raises:
        UserError: the registry can't be reached, or a record can't be read.
    """
    yield last.line
    yield from reversed(last.before)
    # the last numbers of the pages before
    ends = range((last.number - 1) // PAGE * PAGE, 0, -PAGE)
    for at in range(0, len(ends), _AT_ONCE):
        some = ends[at : at + _AT_ONCE]
        pages = registry.each(some, lambda n: registry.record(last.channel, n))
        for end, page in zip(some, pages, strict=True):
            if page is None:
                yield from _one_by_one(registry, last.channel, end)
            else:
                yield page.line
                yield from reversed(page.before)


def _one_by_one(registry: ChannelRegistry, channel: str, end: int) -> Iterator[Line]:
    """A page whose record is gone: each move before it has its own."""
    numbers = range(end - 1, end - PAGE, -1)
    for move in registry.each(numbers, lambda n: registry.record(channel, n)):
        if move is not None:
            yield move.line
