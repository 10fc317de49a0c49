"""Calls made beside the work: in a thread of their own, in order.

A layer's bytes are hashed three times (compressed, as a tar, and file by file), which takes as
long as inflating them, and a disk takes its time as well. hashlib, isal and files all let go of
the interpreter's lock, so these run side by side.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from queue import Queue
from threading import Thread

Buffer = bytes | bytearray | memoryview | mmap.mmap

# What is handed over at once: many small pieces, since a hand-over costs as much as hashing
# some 20 kB. With `_AHEAD` it bounds the memory that waits for the thread.
_BATCH = 1 << 20
_AHEAD = 2
_CALL = 128

# How much of a mapped file is read before its pages are let go.
MAPPED_PIECE = 4 << 20


def let_go(data: Buffer) -> None:
    """Where `data` lies in a mapped file, give back the memory of what was read of that file.

    Whoever reads it again has it again, out of the kernel's cache of files: such pages count as
    ours only because we hold on to them, and wheels are of any size.
    """
    owner = data.obj if isinstance(data, memoryview) else data
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


class Mapped:
    """What was read of mapped files; `let_go` is called with a piece of each, now and then.

    Of a layer with a hundred small wheels all files are open at once, and none is read enough to
    be let go for itself.
    """

    def __init__(self, let_go: Callable[[memoryview], None]) -> None:
        self._let_go = let_go
        self._pieces: dict[int, memoryview] = {}
        self._size = 0

    def add(self, piece: Buffer) -> None:
        """A piece that is read now or soon."""
        if not (isinstance(piece, memoryview) and isinstance(piece.obj, mmap.mmap)):
            return
        self._pieces[id(piece.obj)] = piece
        self._size += len(piece)
        if self._size >= MAPPED_PIECE:
            for each in self._pieces.values():
                self._let_go(each)
            self._pieces, self._size = {}, 0


class Background:
    """Makes calls in order, in a thread of its own, while its owner gets on.

    What a call raises is raised by a later `do` or by `finish`. Whoever made one ends it with
    `finish` or `abandon`.
    """

    def __init__(self) -> None:
        self._batch: list[Callable[[], object]] = []
        self._weight = 0
        self._queue: Queue[list[Callable[[], object]] | None] = Queue(_AHEAD)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name="lapstrake-background", daemon=True)
        self._thread.start()

    def do(self, call: Callable[[], object], weight: int = 0) -> None:
        """Make a call after all that came before; `weight` is the bytes that it keeps alive."""
        self._batch.append(call)
        self._weight += weight + _CALL
        if self._weight >= _BATCH:
            self._hand_over()

    def finish(self) -> None:
        """Wait until every call was made."""
        self._hand_over()
        self._stop()
        self._raise()

    def abandon(self) -> None:
        """Drop the calls that wait."""
        self._error = self._error or RuntimeError("abandoned")
        self._batch = []
        self._stop()

    def _hand_over(self) -> None:
        self._raise()
        self._queue.put(self._batch)
        self._batch, self._weight = [], 0

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            try:
                for call in batch:
                    if self._error is None:
                        call()
            except BaseException as error:
                self._error = error
            del batch
