"""Waiting for something without wasting time or a processor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from lapstrake.errors import UserError

T = TypeVar("T")

_FIRST, _GROWTH, _LONGEST = 0.05, 1.4, 0.5


class Stopping(UserError):
    """The whole command is being ended."""


class Waiter:
    """Polls with growing pauses, until `stop` is called on it by anyone."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Make every wait end with `Stopping`, now and later."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def until(self, attempt: Callable[[], T | None], patience: float) -> T | None:
        """The first result of `attempt` that isn't None; None where patience (seconds) runs out."""
        end = time.monotonic() + patience
        pause = _FIRST
        while True:
            if self._stopped.is_set():
                raise Stopping("the smoke test was stopped")
            found = attempt()
            if found is not None:
                return found
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._stopped.wait(min(pause, left))
            pause = min(pause * _GROWTH, _LONGEST)
