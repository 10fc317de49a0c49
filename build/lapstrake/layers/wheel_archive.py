"""Reads a wheel's zip through a memory map, and trusts nothing in it.

Names, sizes and places are checked when the archive is opened; content when it passes by.
"""

from __future__ import annotations

import lzma
import mmap
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from lapstrake.errors import UserError
from lapstrake.layers.background import MAPPED_PIECE, let_go
from lapstrake.layers.content import Content, Origin, Pieces, one_line
from lapstrake.layers.inflate import CorruptContent, checked, inflate

FETCH_AGAIN = "the file is damaged: delete it and fetch it again"
NOT_OURS = "the wheel is broken or hostile: ask its publisher, or lock another version"

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1 | 0x40
_UTF8 = 0x800
_METHODS = {
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
}
_PIECE = 1 << 16
_MAX_PART = 255

# What Python's zipfile and the decompressors below it raise for what is no zip.
_NO_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
    IndexError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file in the zip.

    Attributes:
        name: its path in the zip, `numpy/__init__.py`.
        method: zip's number of the compression method.
        start: where its compressed bytes begin in the zip; there are `packed` of them.
        size: uncompressed bytes.
        executable: whether the zip says that it is.
    """

    name: str
    method: int
    crc32: int
    start: int
    packed: int
    size: int
    executable: bool

    @property
    def is_deflated(self) -> bool:
        """Whether its compressed bytes are a raw deflate stream."""
        return self.method == zipfile.ZIP_DEFLATED


class Archive:
    """An open wheel file; a context manager.

    Attributes:
        filename: the wheel's, for messages.
        members: its files by name, in the order of the names; folders are left out.

    Raises:
        UserError: it is no zip, or one that must not be unpacked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.filename = path.name
        self._map = self._open()
        self._view = memoryview(self._map)
        try:
            with zipfile.ZipFile(path) as archive:
                infos, end = archive.infolist(), archive.start_dir
            self.members = self._members(infos, end)
            # to read the members' headers has mapped most of what lies between them
            let_go(self._map)
        except _NO_ZIP as error:
            raise self.wrong("it is no intact zip file", FETCH_AGAIN) from error

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An error's traceback may hold parts of the map; it is closed with the last of them.
        del self._view, self._map

    def wrong(self, how: str, hint: str = NOT_OURS) -> UserError:
        """The error for something wrong with the wheel."""
        return UserError(one_line(f"{self.filename}: {how}"), hint)

    def origin(self, member: Member, sha256: str = "") -> Origin:
        """How messages call a member."""
        return Origin(f"{self.filename}: {member.name}", sha256, FETCH_AGAIN)

    def packed(self, member: Member) -> memoryview:
        """A member's compressed bytes."""
        return self._view[member.start : member.start + member.packed]

    def pieces(self, member: Member) -> Iterator[bytes]:
        """A member's content; `UserError` where size or CRC-32 aren't those of the zip."""
        try:
            if member.is_deflated:
                yield from inflate(self.packed(member), member.size, member.crc32)
            else:
                yield from checked(self._unpacked(member), member.size, member.crc32)
        except CorruptContent as error:
            raise self.origin(member).wrong(str(error)) from error

    def content(self, member: Member) -> Content:
        """A member's content, to be read once; not copied where that can be.

        Raises:
            UserError: size or CRC-32 aren't those of the zip; here, or while it is read.
        """
        if member.method != zipfile.ZIP_STORED or member.size > MAPPED_PIECE:
            return Pieces(self.pieces(member))
        try:
            (view,) = checked([self.packed(member)], member.size, member.crc32)
        except CorruptContent as error:
            raise self.origin(member).wrong(str(error)) from error
        return view

    def read(self, name: str, most: int = 1 << 26) -> bytes:
        """A whole member; `UserError` where it is missing, corrupt or has more than `most` bytes.

        Descriptions alone are read whole: `most` keeps a zip bomb from filling the memory.
        """
        member = self.members.get(name)
        if member is None:
            raise self.wrong(f"it has no {name}")
        if member.size > most:
            raise self.wrong(f"{name} has {member.size} bytes; at most {most} are read")
        return b"".join(self.pieces(member))

    def _open(self) -> mmap.mmap:
        try:
            with self.path.open("rb") as file:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise self.wrong("it is empty", FETCH_AGAIN) from error
        except OSError as error:
            raise UserError(f"{self.path}: {error.strerror}") from error

    def _unpacked(self, member: Member) -> Iterator[bytes]:
        """The content of a member that is not deflated."""
        if member.method == zipfile.ZIP_STORED:
            yield from self._stored(self.packed(member))
            return
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member.name) as stream:
                while piece := stream.read(_PIECE):
                    yield piece
        except _NO_ZIP as error:
            raise CorruptContent("its compressed data is damaged") from error

    def _stored(self, view: memoryview) -> Iterator[bytes]:
        for at in range(0, len(view), _PIECE):
            if at and at % MAPPED_PIECE == 0:
                let_go(view)
            yield bytes(view[at : at + _PIECE])

    def _members(self, infos: list[zipfile.ZipInfo], end: int) -> dict[str, Member]:
        found: dict[str, Member] = {}
        names: set[str] = set()
        infos = sorted(infos, key=lambda info: info.header_offset)
        ends = [info.header_offset for info in infos[1:]] + [end]
        for info, limit in zip(infos, ends, strict=False):
            self._check_name(info.orig_filename)
            if info.filename in names:
                raise self.wrong(f"it has two members called {info.filename!r}")
            names.add(info.filename)
            member = self._member(info, limit)
            if not info.is_dir():
                found[member.name] = member
        return dict(sorted(found.items()))

    def _member(self, info: zipfile.ZipInfo, limit: int) -> Member:
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR * info.is_dir()}:
            raise self.wrong(f"{info.filename!r} is neither a file nor a folder")
        if info.flag_bits & _ENCRYPTED:
            raise self.wrong(f"{info.filename!r} is encrypted")
        if info.compress_type not in _METHODS:
            raise self.wrong(f"{info.filename!r} is compressed by method {info.compress_type}")
        start = self._start(info)
        if start + info.compress_size > limit:
            raise self.wrong(f"{info.filename!r} overlaps what comes after it", FETCH_AGAIN)
        return Member(
            name=info.filename,
            method=info.compress_type,
            crc32=info.CRC,
            start=start,
            packed=info.compress_size,
            size=info.file_size,
            executable=stat.S_ISREG(mode) and bool(mode & 0o111),
        )

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where the compressed bytes begin: behind a header that must tell the same name."""
        at = info.header_offset
        magic: bytes
        name_size: int
        extra_size: int
        magic, name_size, extra_size = _LOCAL_HEADER.unpack_from(self._view, at)
        name_at = at + _LOCAL_HEADER.size
        name = bytes(self._view[name_at : name_at + name_size])
        told = name.decode("utf-8" if info.flag_bits & _UTF8 else "cp437")
        if magic != b"PK\x03\x04" or told != info.orig_filename:
            raise self.wrong(f"its directory is wrong about {info.filename!r}", FETCH_AGAIN)
        return name_at + name_size + extra_size

    def _check_name(self, name: str) -> None:
        for reason in _unsafe(name):
            raise self.wrong(f"a member's name {reason}: {name!r}")


def _unsafe(name: str) -> Iterable[str]:
    """What is wrong with a name, as the rest of a sentence."""
    parts = name.removesuffix("/").split("/")
    if "\0" in name:
        yield "holds a NUL"
    if "\\" in name:
        yield "holds a backslash"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        yield "is absolute"
    if ".." in parts:
        yield "leads out of the wheel"
    if "" in parts or "." in parts:
        yield "has an empty part"
    if any(len(part.encode("utf-8", "replace")) > _MAX_PART for part in parts):
        yield "is too long"
