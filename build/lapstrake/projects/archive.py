"""Archives whose bytes depend on their files' names, contents and executable bits alone."""

from __future__ import annotations

import binascii
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

import deflate

from lapstrake.errors import UserError
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.tarheader import END, Entry, header, padding
from lapstrake.projects.model import Staged
from lapstrake.store.store import write_staged

_LEVEL = 9
# gzip: deflate, no name, no time, no hint, an unknown system
_GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# zip: 1 January 1980, midnight
_DATE, _TIME = 0x21, 0
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_UTF8 = 0x800
_MOST = 0xFFFFFFFF
_MOST_FILES = 0xFFFF

# A file as archives keep it: its name, its content, whether it may be executed, and where it
# leads if it is a symbolic link.
Member = tuple[str, bytes, bool, str]


def source_archive(staged: Staged) -> bytes:
    """A `.tar.gz` of a staged copy, which any PEP 517 front end builds a wheel of.

    It is no sdist (the backend writes that), but has its shape: one folder, `NAME-VERSION`.
    """
    return _tar(staged.stem, _members(staged.folder))


def _members(folder: Path) -> Iterable[Member]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield name, b"", False, str(path.readlink())
        elif path.is_file():
            yield name, path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR), ""


def write_tar(path: Path, top: str, members: Iterable[Member]) -> None:
    """Write a `.tar.gz` with everything in the folder `top`, sorted by name."""
    write_staged(path, _tar(top, members))


def _tar(top: str, members: Iterable[Member]) -> bytes:
    pieces = []
    for name, content, executable, target in sorted(members):
        entry = Entry(
            name=f"{top}/{name}",
            type="symlink" if target else "file",
            mode=0o777 if target else _mode(executable),
            mtime=FIXED_MTIME,
            size=len(content),
            target=target,
        )
        pieces += [header(entry), content, padding(len(content))]
    data = b"".join((*pieces, END))
    check = struct.pack("<II", binascii.crc32(data), len(data) & _MOST)
    return _GZIP + bytes(deflate.deflate_compress(data, _LEVEL)) + check


def write_zip(path: Path, members: Iterable[Member]) -> None:
    """Write a zip, in the order given.

    Raises:
        UserError: it would need ZIP64.
    """
    local: list[bytes] = []
    central: list[bytes] = []
    offset = 0
    for name, content, executable, _ in members:
        raw = name.encode()
        packed = bytes(deflate.deflate_compress(content, _LEVEL))
        flags = 0 if name.isascii() else _UTF8
        sizes = (binascii.crc32(content), len(packed), len(content))
        if len(content) > _MOST or offset > _MOST or len(central) >= _MOST_FILES:
            raise UserError(
                f"{path.name} is too large for a wheel", "4 GB and 65,535 files at most"
            )
        common = (20, flags, 8, _TIME, _DATE, *sizes, len(raw), 0)
        local += [_LOCAL.pack(b"PK\3\4", *common), raw, packed]
        attributes = (0o100000 | _mode(executable)) << 16
        # made by Unix, as version 2.0 of the format
        start = _CENTRAL.pack(b"PK\1\2", 3 << 8 | 20, *common, 0, 0, 0, attributes, offset)
        central.append(start + raw)
        offset += _LOCAL.size + len(raw) + len(packed)
    directory = b"".join(central)
    count = len(central)
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), offset, 0)
    write_staged(path, b"".join((*local, directory, end)))


def _mode(executable: bool) -> int:
    return 0o755 if executable else 0o644
