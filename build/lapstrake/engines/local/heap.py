"""The memory of a build: threads share it."""

from __future__ import annotations

import contextlib
import ctypes

# malloc.h of glibc; musl and macOS have one heap anyway.
_M_ARENA_MAX = -8


def share_heap() -> None:
    """Have threads take memory from one heap, from now on.

    glibc gives each thread a heap, and each keeps what was once needed there: for a build, as many
    times what it needs as there are threads. Nothing is gained by it: what takes memory holds
    Python's lock.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
