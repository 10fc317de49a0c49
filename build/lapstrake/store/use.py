"""Who uses the cache, and when what was used last.

Builds share a lock as long as they run; `gc` takes it alone, so that nothing goes from under a
build. When a build has its layers it gives their records the time: blobs, wheels, packages and
trees count as used when a record that names them was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator

from lapstrake import process
from lapstrake.store.store import Store, writing

USE_LOCK = "use"

# How often somebody who waits looks again, in seconds.
_PATIENCE = 0.05


@contextlib.contextmanager
def in_use(store: Store) -> Iterator[None]:
    """Use the cache beside others who do; waits while somebody removes things from it."""
    with _held(store, fcntl.LOCK_SH, lambda: True):
        yield


@contextlib.contextmanager
def unused(store: Store, busy: Callable[[], bool]) -> Iterator[None]:
    """Have the cache alone.

    Args:
        store: the cache.
        busy: called once where others use it; whether to wait for their end. It may raise.

    Raises:
        BlockingIOError: others use it, and nobody waits.
    """
    with _held(store, fcntl.LOCK_EX, busy):
        yield


@contextlib.contextmanager
def _held(store: Store, kind: int, busy: Callable[[], bool]) -> Iterator[None]:
    path = store.root / "locks" / USE_LOCK
    with writing(store.root):
        handle = path.open("ab")
    with handle:
        waits = False
        while True:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waits = waits or busy()
                if not waits:
                    raise
            process.check_stopped()
            time.sleep(_PATIENCE)
        yield


def mark_used(store: Store, layer_ids: Iterable[str]) -> None:
    """Give the records of layers the time: all the same, so that no one of a build is older."""
    now = time.time()
    for layer_id in layer_ids:
        # a cache that several people share may hold records of others
        with contextlib.suppress(OSError):
            os.utime(store.root / "layers" / f"{layer_id}.json", (now, now))
