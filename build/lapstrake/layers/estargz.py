"""Writes layers: tar, gzip and eStargz at once.

A layer is a sequence of gzip members. Each file's content has members of its own, beginning where
the content begins, so that a table of contents at the end can say where each file lies. What
stands between (padding, tar headers) shares a member. A raw deflate stream, as zip files hold,
becomes such a member as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType

import deflate
from isal import isal_zlib

from lapstrake.errors import UserError
from lapstrake.layers import toc
from lapstrake.layers.background import MAPPED_PIECE, Background, Buffer, Mapped, let_go
from lapstrake.layers.content import CHUNK, Content, Filing, Origin, chunks
from lapstrake.layers.inflate import CorruptContent, inflate
from lapstrake.layers.tarheader import END, Entry, header, padding
from lapstrake.store.records import Blob

__all__ = ["CHUNK", "Entry", "LayerWriter", "Origin"]

_LEVEL = 6
_GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"

# Headers of entries without content gather until a file's content comes, or this much.
_GAP = 1 << 18


class LayerWriter:
    """Writes one layer to `path`; a context manager. The file appears when all went well.

    Args:
        path: the blob's file; it is written beside it, and renamed.
        tick: called with the number of compressed bytes just written.

    Attributes:
        blob: what was written; there once the context was left without an error.
    """

    blob: Blob

    def __init__(self, path: Path, tick: Callable[[int], None] | None = None) -> None:
        self._path = path
        self._tick = tick
        self._size = 0
        self._unpacked = 0
        self._mapped = Mapped(self._let_go)
        self._sha = hashlib.sha256()
        self._diff = hashlib.sha256()
        self._gap = bytearray()
        self._lines: list[str] = []

    def __enter__(self) -> LayerWriter:
        number, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        self._staged = Path(name)
        self._out = os.fdopen(number, "wb", buffering=1 << 20)
        self._hashing, self._writing = Background(), Background()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self._hashing.abandon()
            self._writing.abandon()
            with contextlib.suppress(OSError):
                self._out.close()
            self._staged.unlink(missing_ok=True)

    def add(
        self, entry: Entry, content: Content | None = None, *, origin: Origin | None = None
    ) -> None:
        """Add an entry; a file's content is compressed.

        Args:
            entry: what stands in the archive; a file's `size` must be its content's.
            content: a file's content, or a stream that gives it.
            origin: what the content must be.

        Raises:
            UserError: the content isn't what `origin` or the entry's `size` says.
            ValueError: no tar archive can hold the entry.
        """
        self._write_gap(_header(entry))
        if entry.type != "file":
            self._hashing.do(partial(self._lines.append, toc.line(toc.describe(entry))))
            return
        filing = Filing(entry, origin, self._hashing)
        try:
            for chunk in chunks(content, entry.size):
                self._add_chunk(filing, chunk)
        except ValueError as error:
            raise filing.origin.wrong(str(error)) from error
        self._end_file(filing)

    def add_deflated(
        self, entry: Entry, deflated: Buffer, crc32: int, *, origin: Origin | None = None
    ) -> None:
        """Add a file whose content is a raw deflate stream, which is passed through as it is.

        Args:
            entry: the file; `size` is that of its uncompressed content.
            deflated: the stream, from its first byte to its last.
            crc32: of the uncompressed content.
            origin: what the content must be.

        Raises:
            UserError: the stream doesn't inflate to just that content.
            ValueError: no tar archive can hold the entry.
        """
        self._write_gap(_header(entry))
        filing = Filing(entry, origin, self._hashing)
        if entry.size:
            self._flush_gap()
            filing.chunk(self._size, entry.size)
            self._write_member(deflated, crc32, entry.size)
        try:
            for piece in inflate(deflated, entry.size, crc32):
                self._take(piece)
                filing.piece(piece)
        except CorruptContent as error:
            raise filing.origin.wrong(str(error)) from error
        self._end_file(filing)

    def _add_chunk(self, filing: Filing, chunk: Buffer) -> None:
        self._flush_gap()
        filing.chunk(self._size, len(chunk))
        self._compress(chunk)
        filing.whole_chunk(chunk)
        self._mapped.add(chunk)

    def _end_file(self, filing: Filing) -> None:
        self._write_gap(padding(filing.entry.size))
        self._hashing.do(lambda: self._lines.extend(filing.lines()))

    def _write_gap(self, data: bytes) -> None:
        self._gap += data
        if len(self._gap) >= _GAP:
            self._flush_gap()

    def _flush_gap(self) -> None:
        if self._gap:
            gap, self._gap = bytes(self._gap), bytearray()
            self._compress(gap)

    def _compress(self, data: Buffer) -> None:
        """One member of our own compression, and its share of the tar."""
        self._write_member(deflate.deflate_compress(data, _LEVEL), isal_zlib.crc32(data), len(data))
        self._take(data)

    def _write_member(self, deflated: Buffer, crc32: int, size: int) -> None:
        self._write(_GZIP_HEADER)
        view = memoryview(deflated)
        for at in range(0, len(view), MAPPED_PIECE):
            piece = view[at : at + MAPPED_PIECE]
            self._write(piece)
            self._mapped.add(piece)
        self._write(struct.pack("<II", crc32, size & 0xFFFFFFFF))

    def _let_go(self, piece: memoryview) -> None:
        """Both threads read it, the one after the other."""
        self._writing.do(partial(let_go, piece))
        self._hashing.do(partial(let_go, piece))

    def _write(self, data: Buffer) -> None:
        """Compressed bytes."""
        self._size += len(data)
        self._writing.do(partial(self._out.write, data), len(data))
        self._hashing.do(partial(self._sha.update, data), len(data))
        if self._tick:
            self._tick(len(data))

    def _take(self, data: Buffer) -> None:
        """Uncompressed bytes of the tar."""
        self._unpacked += len(data)
        self._hashing.do(partial(self._diff.update, data), len(data))

    def _finish(self) -> None:
        self._flush_gap()
        self._hashing.finish()
        table = toc.document(self._lines)
        entry = Entry(toc.TOC_NAME, "file", 0o444, 0, size=len(table))
        offset = self._size
        self._hashing = Background()
        self._compress(header(entry) + table + padding(len(table)) + END)
        self._write(toc.footer(offset))
        self._hashing.finish()
        self._writing.finish()
        self._out.close()
        self._staged.chmod(0o644)
        self._staged.rename(self._path)
        self.blob = Blob(
            digest=f"sha256:{self._sha.hexdigest()}",
            diff_id=f"sha256:{self._diff.hexdigest()}",
            size=self._size,
            unpacked=self._unpacked,
            toc=toc.digest_of(table),
        )


def _header(entry: Entry) -> bytes:
    """An entry's header; `UserError` for the names that eStargz keeps for itself."""
    if entry.name in toc.RESERVED:
        raise UserError(
            f"an image can't have a file /{entry.name}: layers that can be pulled lazily keep "
            "that name for themselves",
            "put it below a folder, or call it something else",
        )
    return header(entry)
