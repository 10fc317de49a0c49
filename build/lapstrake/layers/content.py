"""A file's content on its way into a layer: how it is cut, what its hashes are."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from lapstrake.errors import UserError
from lapstrake.layers import toc
from lapstrake.layers.background import Background, Buffer
from lapstrake.layers.tarheader import Entry

# A file that we compress is cut, so that readers need not fetch more for any part of it.
CHUNK = 4 << 20


class Readable(Protocol):
    """What content is read from: any binary file."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


Content = Buffer | Readable


@dataclass(frozen=True)
class Origin:
    """Where a file's content comes from.

    Attributes:
        name: as an error message calls it, `numpy-2.0-py3-none-any.whl: numpy/__init__.py`.
        sha256: what its content must have, in hexadecimal; empty where nobody said.
        hint: what to do where the content isn't right.
    """

    name: str
    sha256: str = ""
    hint: str = ""

    def wrong(self, how: str) -> UserError:
        """The error for content that isn't what it should be."""
        return UserError(one_line(f"{self.name}: {how}"), self.hint)


def one_line(text: str) -> str:
    """A message with names in it that nobody vouches for: control characters are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Filing:
    """One file's lines of the table of contents, as its content passes by.

    `lines` is right once `hashing` has made all calls that were given to it.
    """

    def __init__(self, entry: Entry, origin: Origin | None, hashing: Background) -> None:
        self.entry = entry
        self.origin = origin or Origin(entry.name)
        self._hashing = hashing
        self._sha = hashlib.sha256()
        self._fields = [toc.describe(entry)]
        self._at = 0

    def chunk(self, offset: int, size: int) -> None:
        """A chunk of `size` bytes begins, at `offset` in the blob."""
        last = self._at + size == self.entry.size
        length = 0 if last else size
        if self._at:
            self._fields.append(toc.chunk(self.entry.name, offset, self._at, length))
        else:
            self._fields[0] |= {"offset": offset, "chunkSize": length}
        self._at += size

    def whole_chunk(self, data: Buffer) -> None:
        """The chunk that was begun, where it isn't the whole file: its own digest is due."""
        self.piece(data)
        if len(data) != self.entry.size:
            self._hashing.do(partial(self._digest_chunk, len(self._fields) - 1, data))

    def piece(self, data: Buffer) -> None:
        """The next bytes of the content (the tar's own hash keeps them alive as long)."""
        self._hashing.do(partial(self._sha.update, data))

    def _digest_chunk(self, number: int, data: Buffer) -> None:
        self._fields[number]["chunkDigest"] = toc.digest_of(data)

    def lines(self) -> list[str]:
        """The lines; `UserError` where the content isn't what its origin said."""
        sha256 = self._sha.hexdigest()
        if self.origin.sha256 not in {"", sha256}:
            raise self.origin.wrong("its SHA-256 is not the recorded one")
        if self.entry.size:
            first = self._fields[0]
            first["digest"] = f"sha256:{sha256}"
            first.setdefault("chunkDigest", first["digest"])
        return [toc.line(fields) for fields in self._fields]


class Pieces:
    """Makes a file to read from of pieces that come as they like."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        found, self._rest = self._rest[:size], self._rest[size:]
        return bytes(found)


def chunks(content: Content | None, size: int) -> Iterator[Buffer]:
    """The content's `size` bytes, in chunks of at most `CHUNK`.

    Raises:
        ValueError: the content has more or fewer bytes.
    """
    source = memoryview(b"") if content is None else content
    if isinstance(source, bytes | bytearray | memoryview | mmap.mmap):
        view = memoryview(source)
        if len(view) != size:
            raise ValueError(f"it has {len(view)} bytes instead of {size}")
        yield from (view[at : at + CHUNK] for at in range(0, size, CHUNK))
        return
    for at in range(0, size, CHUNK):
        yield _read(source, min(CHUNK, size - at))
    if source.read(1):
        raise ValueError(f"it is longer than the {size} bytes it should have")


def _read(stream: Readable, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        more = stream.read(size - len(found))
        if not more:
            raise ValueError(f"it ends {size - len(found)} bytes early")
        if len(more) == size:
            return more
        found += more
    return bytes(found)
