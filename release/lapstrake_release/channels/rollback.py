"""Putting back what a channel held before: tags move, blobs don't."""

from __future__ import annotations

from lapstrake.errors import UserError
from lapstrake_release.channels.history import read_lines
from lapstrake_release.channels.move import Author, Mover, Wanted
from lapstrake_release.channels.moved import Moved
from lapstrake_release.channels.record import Line, Move
from lapstrake_release.channels.registry import ChannelRegistry


def rollback(registry: ChannelRegistry, channel: str, to: int | None, author: Author) -> Moved:
    """Let a channel hold again what it held by an earlier move.

    Args:
        registry: where.
        channel: which.
        to: the number of that move; by default the last one before what it holds now, so that
            another rollback goes one further back.
        author: who, and why.

    Raises:
        UserError: there is no such move, its images are gone, or somebody else is at it.
    """
    mover = Mover(registry, channel, author)
    last, repaired = mover.settled()
    if last is None or not last.images:
        raise UserError(
            f"{registry.repository} has nothing in {channel}",
            f"`lapstrake promote VERSION --to {channel}` puts a version there",
        )
    number = _before(registry, last) if to is None else to
    target = _target(registry, last, number)
    if target.digests == last.digests and target.line.version == last.line.version:
        restored = mover.restore(last)
        return Moved(registry.repository, "same", last, last, repaired, restored)
    mover.check_there(target.images)
    wanted = Wanted(
        kind="rollback",
        version=target.line.version,
        images=target.images,
        seen=last.digest,
        origin=target.line.origin,
    )
    return Moved(registry.repository, "moved", mover.move(wanted), last, repaired)


def _before(registry: ChannelRegistry, last: Move) -> int:
    """The move to go back to: the last promotion before the one whose images are held now."""
    for line in read_lines(registry, last):
        if line.number < last.line.origin and _is_promotion(line):
            return line.number
    raise UserError(
        f"{last.channel} holds {last.line.version}, and held nothing before that",
        f"`lapstrake history {last.channel}` shows its moves",
    )


def _is_promotion(line: Line) -> bool:
    return line.state == "done" and line.kind == "promote"


def _target(registry: ChannelRegistry, last: Move, number: int) -> Move:
    hint = f"`lapstrake history {last.channel}` shows the moves, 1 to {last.number}"
    if not 1 <= number <= last.number:
        raise UserError(f"{last.channel} has no move {number}", hint)
    found = last if number == last.number else registry.record(last.channel, number)
    if found is None:
        raise UserError(f"the record of move {number} of {last.channel} is gone", hint)
    if found.line.state != "done":
        raise UserError(f"move {number} of {last.channel} was undone", hint)
    if not found.images:
        raise UserError(f"{last.channel} held nothing by move {number}", hint)
    return found
