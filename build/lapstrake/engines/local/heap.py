"""The memory of a build: threads share it, and it is seldom searched for what nobody needs."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator

# malloc.h of glibc; musl and macOS have one heap anyway.
_M_ARENA_MAX = -8

# New objects until Python looks for cycles among them; by default it is 700.
_NEW = 70_000


def share_heap() -> None:
    """Have threads take memory from one heap, from now on.

    glibc gives each thread a heap, and each keeps what was once needed there: for a build, as many
    times what it needs as there are threads. Nothing is gained by it: what takes memory holds
    Python's lock.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


@contextlib.contextmanager
def collecting_seldom() -> Iterator[None]:
    """Have Python look for cycles of objects a hundredth as often, for a while.

    A layer is made of tens of thousands of small objects that stay until it is written, and
    hardly any form cycles; to search them again and again takes a twentieth of a build.
    """
    before = gc.get_threshold()
    gc.set_threshold(_NEW, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
