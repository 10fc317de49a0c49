"""Inflating in pieces, so that no deflate stream can cost more memory than a piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from isal import igzip_lib, isal_zlib

from lapstrake.layers.background import MAPPED_PIECE, Buffer, let_go

# Compressed bytes given, and uncompressed bytes taken, at once. Buffers of 128 KiB and more come
# fresh from the kernel each time, and their page faults cost as much as the hashing.
_GIVE = 1 << 15
_TAKE = 120 << 10

_Piece = TypeVar("_Piece", bytes, memoryview)

# The type stubs call it an instance.
_IsalError: type[Exception] = isal_zlib.error  # type: ignore[assignment]


class CorruptContent(ValueError):
    """Bytes that are not what their description says; the message says in which way."""


def inflate(deflated: Buffer, size: int, crc32: int) -> Iterator[bytes]:
    """The content of a raw deflate stream, in pieces of at most 120 KiB.

    The stream must fill `deflated` to its last byte and give `size` bytes with that CRC-32:
    whoever passes it on leaves no room for anything else.

    Raises:
        CorruptContent: it is not so; what was yielded before is of no use then.
    """
    return checked(_pieces(memoryview(deflated)), size, crc32)


def checked(pieces: Iterable[_Piece], size: int, crc32: int) -> Iterator[_Piece]:
    """The same pieces; `CorruptContent` where they aren't `size` bytes with that CRC-32."""
    seen = checksum = 0
    for piece in pieces:
        seen += len(piece)
        if seen > size:
            raise CorruptContent(f"it is longer than the {size} bytes it should have")
        checksum = isal_zlib.crc32(piece, checksum)
        yield piece
    if seen != size:
        raise CorruptContent(f"it has {seen} bytes instead of {size}")
    if checksum != crc32:
        raise CorruptContent("its CRC-32 differs")


def _pieces(deflated: memoryview) -> Iterator[bytes]:
    inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
    given = held = 0
    while not inflater.eof:
        more = deflated[given : given + _GIVE] if inflater.needs_input else b""
        if inflater.needs_input and not more:
            raise CorruptContent("its compressed data ends early")
        given += len(more)
        held += len(more)
        if held >= MAPPED_PIECE:
            let_go(deflated)
            held = 0
        try:
            piece = inflater.decompress(more, _TAKE)
        except _IsalError as error:
            raise CorruptContent("its compressed data is damaged") from error
        if piece:
            yield piece
    if inflater.unused_data or given < len(deflated):
        raise CorruptContent("its compressed data goes on after its end")
