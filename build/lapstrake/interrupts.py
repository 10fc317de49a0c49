"""What ^C must not tear apart."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold ^C and SIGTERM back until the block is over: for the few steps of making or removing.

    Python raises them between any two steps of the main thread, and so in the middle of removing
    what another one has left. In other threads they are raised never, and nothing is held.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    ours = [number for number, handler in before.items() if handler is not None]
    try:
        for number in ours:
            signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        for late in dict.fromkeys(came):
            signal.raise_signal(late)
