"""A Debian package whose files aren't compressed, and a package's fields.

mmdebstrap unpacks the essential packages twice, one after the other; what xz needs for that is
longer than for all of them once, on all cores.
"""

from __future__ import annotations

import contextlib
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from debian.arfile import ArError, ArMember
from debian.debfile import DebFile

_MAGIC = b"!<arch>\n"
_DATA = "data.tar.xz"
_COPY = 1 << 20
_PIECE = 8 << 20
_BROKEN = (
    ArError,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    LookupError,
    ValueError,
    EOFError,
)


class NoPackageError(ValueError):
    """A file is no Debian package, or a damaged one."""


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """What the formats within a package raise, in one form; a full disk is none of it."""
    try:
        yield
    except _BROKEN as error:
        raise NoPackageError(str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise NoPackageError(str(error)) from error


def read_control(deb: Path) -> str | None:
    """A package's control fields, as they stand; None where only dpkg-deb can say them.

    Raises:
        NoPackageError: it is none.
        OSError: the file system's.
    """
    with _reading(), DebFile(str(deb)) as package:
        # a program would be started for it, which may be missing
        if "control.tar.zst" in package.getnames():
            return None
        content = package.control.get_content("control")
    return content.decode(errors="surrogateescape") if isinstance(content, bytes) else None


def write_plain(deb: Path, place: Path) -> bool:
    """Write a package again with its files not compressed; whether it is one that xz compressed.

    All else stays: dpkg makes the same of both.

    Raises:
        NoPackageError: it is none.
        OSError: the file system's.
    """
    with _reading(), DebFile(str(deb)) as package:
        if _DATA not in package.getnames():
            return False
        with place.open("wb") as out:
            out.write(_MAGIC)
            for member in package.getmembers():
                if member.name == _DATA:
                    _write(out, "data.tar", _inflated(member))
                else:
                    _write(out, member.name, _chunks(member))
    return True


def _write(out: BinaryIO, name: str, content: Iterator[bytes]) -> None:
    """One member of an ar archive; its header has its size, which only its end tells."""
    header = out.tell()
    out.write(_header(name, 0))
    size = sum(map(out.write, content))
    out.write(b"\n" * (size % 2))
    end = out.tell()
    out.seek(header)
    out.write(_header(name, size))
    out.seek(end)


def _header(name: str, size: int) -> bytes:
    fields = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{size:<10}`\n"
    return fields.encode("ascii")


def _inflated(member: ArMember) -> Iterator[bytes]:
    """The content of a file that xz compressed: one stream, as dpkg-deb writes and takes it.

    In large pieces: Python's lock is free while one is made, and has to be waited for before the
    next, which other layers' threads hold meanwhile.
    """
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    packed = _chunks(member)
    while not stream.eof:
        given = next(packed, b"") if stream.needs_input else b""
        if stream.needs_input and not given:
            raise EOFError("its compressed data ends before its end")
        yield stream.decompress(given, _PIECE)


def _chunks(member: ArMember) -> Iterator[bytes]:
    _rewound(member)
    while chunk := member.read(_COPY):
        yield chunk


def _rewound(member: ArMember) -> ArMember:
    """All members read from one open file."""
    member.seek(0)
    return member
