"""Tar headers: POSIX ustar, with PAX records where ustar has no room.

Headers hold nothing but what is asked for (no access time, no user name, no process number), so
that one entry always has the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BLOCK = 512
END = bytes(2 * BLOCK)

Type = Literal["file", "dir", "symlink", "hardlink", "char", "block", "fifo"]

_FLAG: Mapping[Type, bytes] = {
    "file": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "char": b"3",
    "block": b"4",
    "dir": b"5",
    "fifo": b"6",
}
_PAX_FLAG = b"x"
_PAX_NAME = b"././@PaxHeader"

_MAX_NAME = 100
_MAX_PREFIX = 155
_MAX_ID = 0o7777777
_MAX_12 = 0o77777777777


@dataclass(frozen=True)
class Entry:
    """One entry of a layer.

    Attributes:
        name: relative to the image's root, `usr/bin/env`; without a `/` at either end. Bytes that
            are no UTF-8 stand as surrogate escapes, as `os.fsdecode` gives them.
        mode: permission bits, with setuid, setgid and sticky.
        mtime: seconds since 1970.
        size: bytes of a file's content; 0 for all else.
        target: of a symbolic link as it stands there; of a hard link the other entry's name.
        major: of a device, as `minor`.
        xattrs: extended attributes by their full names, `security.capability`.
    """

    name: str
    type: Type
    mode: int
    mtime: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: str = ""
    major: int = 0
    minor: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def tar_name(self) -> str:
        """The name as it stands in the archive: a folder's ends with a slash."""
        return f"{self.name}/" if self.type == "dir" else self.name


def padding(size: int) -> bytes:
    """The zeros between `size` bytes of content and the next header."""
    return bytes(-size % BLOCK)


def header(entry: Entry) -> bytes:
    """An entry's header blocks: 512 bytes, or more where it needs PAX records.

    Raises:
        ValueError: no tar archive can hold the entry.
    """
    _check(entry)
    records: dict[bytes, bytes] = {}
    name, target = _encode(entry.tar_name), _encode(entry.target)
    prefix, short = _split(name)
    if not short:
        records[b"path"], short = name, _readable(name)
    if len(target) > _MAX_NAME or not target.isascii():
        records[b"linkpath"], target = target, _readable(target)
    records |= _numbers(entry)
    for key, value in sorted(entry.xattrs.items()):
        records[b"SCHILY.xattr." + _encode(key)] = value
    if not all(_is_utf8(records.get(key, b"")) for key in (b"path", b"linkpath")):
        records = {b"hdrcharset": b"BINARY"} | records
    ustar = _ustar(short, prefix, target, _FLAG[entry.type], entry)
    return (_pax(records) if records else b"") + ustar


def _check(entry: Entry) -> None:
    texts = (entry.name, entry.target, *entry.xattrs)
    if any("\0" in text for text in texts) or any("=" in key for key in entry.xattrs):
        raise ValueError(f"no tar can hold the entry {entry.name!r}")
    if not entry.name or entry.name.startswith("/") or entry.name.endswith("/"):
        raise ValueError(f"not a relative name: {entry.name!r}")
    if entry.type != "file" and entry.size:
        raise ValueError(f"{entry.name!r} is no file but has a size")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Prefix and name as ustar has them; an empty name where it takes a PAX record."""
    if not name.isascii():
        return b"", b""
    if len(name) <= _MAX_NAME:
        return b"", name
    cut = name.find(b"/", len(name) - _MAX_NAME - 1, len(name) - 1)
    if not 0 < cut <= _MAX_PREFIX:
        return b"", b""
    return name[:cut], name[cut + 1 :]


def _readable(name: bytes) -> bytes:
    """What readers without PAX see of a name: the start of it in ASCII."""
    return bytes(c if c < 0x80 else ord("_") for c in name[:_MAX_NAME])


def _numbers(entry: Entry) -> dict[bytes, bytes]:
    """PAX records for the numbers that ustar's octal digits can't hold."""
    found: dict[bytes, bytes] = {}
    for key, value, most in (
        (b"gid", entry.gid, _MAX_ID),
        (b"mtime", entry.mtime, _MAX_12),
        (b"size", entry.size, _MAX_12),
        (b"uid", entry.uid, _MAX_ID),
    ):
        if not 0 <= value <= most:
            found[key] = b"%d" % value
    return found


def _pax(records: Mapping[bytes, bytes]) -> bytes:
    body = b"".join(_record(key, value) for key, value in records.items())
    entry = Entry(name="pax", type="file", mode=0o644, mtime=0, size=len(body))
    return _ustar(_PAX_NAME, b"", b"", _PAX_FLAG, entry) + body + padding(len(body))


def _record(key: bytes, value: bytes) -> bytes:
    """`<length> <key>=<value>` and a newline, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _octal(value: int, width: int) -> bytes:
    """`width - 1` octal digits and a NUL; zeros for what a PAX record holds instead."""
    most = 8 ** (width - 1) - 1
    return b"%0*o\0" % (width - 1, value if 0 <= value <= most else 0)


def _ustar(name: bytes, prefix: bytes, target: bytes, flag: bytes, entry: Entry) -> bytes:
    before = b"".join(
        (
            name.ljust(100, b"\0"),
            _octal(entry.mode, 8),
            _octal(entry.uid, 8),
            _octal(entry.gid, 8),
            _octal(entry.size, 12),
            _octal(entry.mtime, 12),
        )
    )
    after = b"".join(
        (
            flag,
            target.ljust(100, b"\0"),
            b"ustar\0" + b"00",
            bytes(64),
            _octal(entry.major, 8),
            _octal(entry.minor, 8),
            prefix.ljust(155, b"\0"),
            bytes(12),
        )
    )
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return before + b"%06o\0 " % checksum + after
