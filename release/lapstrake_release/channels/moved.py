"""What became of a channel by a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lapstrake.registry.repository import Repository
from lapstrake_release.channels.record import Move


@dataclass(frozen=True)
class Moved:
    """What became of one repository's channel.

    Attributes:
        state: `moved`, or `same` where it held just that.
        move: the channel's last move now; `before` the one that it had, None for none.
        repaired: what was done about an interrupted move first: `completed`, `undone` or nothing.
        restored: moving tags that something else had moved, and that were put back.
        copied: bytes that were sent to another registry.
    """

    repository: Repository
    state: Literal["moved", "same"]
    move: Move
    before: Move | None = None
    repaired: str = ""
    restored: tuple[str, ...] = ()
    copied: int = 0
