"""In which entry and which field two layers' archives differ."""

from __future__ import annotations

import hashlib
import tarfile
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import IO, BinaryIO

from isal import isal_zlib

from lapstrake.errors import UserError
from lapstrake.layers.tarread import TAR_BUFFER, blamed, open_layer
from lapstrake.layers.toc import TOC_NAME

_READ = 1 << 20
_GZIP = 31  # zlib's window bits for a gzip member
_XATTR = "SCHILY.xattr."
_TYPES = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "fifo",
}

Fields = dict[str, str]
# A path, and which of its entries: an archive may have several of one name.
Key = tuple[str, int]


@dataclass(frozen=True)
class Difference:
    """One field of one entry; an entry that one side lacks has the field `entry`.

    What is no entry's (the archive's bytes, gzip framing) has an empty path.
    """

    path: str
    field: str
    a: str
    b: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        if self.field == "entry":
            return f"{where}only in {'A' if self.a else 'B'}"
        return f"{where}{self.field} {self.a} → {self.b}"


@dataclass(frozen=True)
class _Archive:
    """An archive's entries in their order, and where each begins in the tar."""

    entries: dict[Key, Fields]
    offsets: tuple[tuple[int, str], ...]
    table: str


def compare_layers(a: Path, b: Path) -> list[Difference]:
    """All that differs between two layers, in the order of A's entries.

    Where every entry and their order are the same, what differs is the encoding: of tar headers,
    the table of contents, or gzip.

    Raises:
        UserError: a layer can't be read.
    """
    ours, theirs = _read(a), _read(b)
    found = list(_entry_differences(ours.entries, theirs.entries))
    found += _order_difference(list(ours.entries), list(theirs.entries))
    if found:
        return found
    if ours.table != theirs.table:
        return [Difference(TOC_NAME, "content", ours.table, theirs.table)]
    return _encoding_difference(a, b, ours)


def _read(blob: Path) -> _Archive:
    entries: dict[Key, Fields] = {}
    offsets = []
    seen: Counter[str] = Counter()
    table = ""
    with (
        open_layer(blob) as stream,
        tarfile.open(
            fileobj=stream,
            mode="r|",
            bufsize=TAR_BUFFER,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar,
    ):
        for info in tar:
            name = info.name.removeprefix("./") or "."
            offsets.append((info.offset, name))
            content = tar.extractfile(info) if info.isreg() else None
            digest = _sha256(content) if content else ""
            if name == TOC_NAME:
                table = digest
                continue
            entries[name, seen[name]] = _fields(info, digest)
            seen[name] += 1
    return _Archive(entries, tuple(offsets), table)


def _fields(info: tarfile.TarInfo, digest: str) -> Fields:
    pax = info.pax_headers
    device = f"{info.devmajor}:{info.devminor}" if info.ischr() or info.isblk() else ""
    fields = {
        "type": _TYPES.get(info.type, repr(info.type)),
        "mode": f"{info.mode & 0o7777:04o}",
        "owner": f"{info.uid}:{info.gid}",
        "owner's names": f"{info.uname}:{info.gname}",
        "mtime": f"{info.mtime:.9f}".rstrip("0").rstrip("."),
        "size": str(info.size),
        "target": info.linkname,
        "device": device,
        "content": digest,
    }
    for key, value in sorted(pax.items()):
        if key.startswith(_XATTR):
            raw = value.encode("utf-8", "surrogateescape")
            fields[f"xattr {key.removeprefix(_XATTR)}"] = raw.hex()
    return fields


def _sha256(content: IO[bytes]) -> str:
    hashing = hashlib.sha256()
    while piece := content.read(_READ):
        hashing.update(piece)
    return f"sha256:{hashing.hexdigest()}"


def _entry_differences(a: dict[Key, Fields], b: dict[Key, Fields]) -> list[Difference]:
    found = []
    for key in [*a, *(k for k in b if k not in a)]:
        path = _shown(key)
        if key not in b or key not in a:
            found.append(Difference(path, "entry", _there(key in a), _there(key in b)))
            continue
        ours, theirs = a[key], b[key]
        for field in [*ours, *(f for f in theirs if f not in ours)]:
            old, new = ours.get(field, ""), theirs.get(field, "")
            if old != new:
                found.append(Difference(path, field, old or "none", new or "none"))
    return found


def _there(is_there: bool) -> str:
    return "there" if is_there else ""


def _shown(key: Key) -> str:
    path = key[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return path if not key[1] else f"{path} (entry {key[1] + 1} of that name)"


def _order_difference(a: list[Key], b: list[Key]) -> list[Difference]:
    """The first entry that stands elsewhere, of those that both have."""
    ours, theirs = set(a), set(b)
    pairs = zip([k for k in a if k in theirs], [k for k in b if k in ours], strict=True)
    for at, (first, second) in enumerate(pairs):
        if first != second:
            where = f"entry {at + 1} of those that both have is"
            return [Difference("", "order", f"{where} {_shown(first)}", _shown(second))]
    return []


def _encoding_difference(a: Path, b: Path, archive: _Archive) -> list[Difference]:
    """Where equal entries are written differently: in the tar, or only in how it is compressed."""
    with open_layer(a) as ours, open_layer(b) as theirs:
        first = _first_difference(ours, theirs)
    if first is not None:
        near = [name for offset, name in archive.offsets if offset <= first[0]]
        field = f"byte {first[0]} of the tar, in a header or padding,"
        return [Difference(near[-1] if near else "", field, *first[1:])]
    with a.open("rb") as ours, b.open("rb") as theirs:
        first = _first_difference(ours, theirs)
    if first is None:
        return []
    sides = [f"{_members(p)} members in {p.stat().st_size} bytes" for p in (a, b)]
    return [
        Difference("", "gzip framing", *sides),
        Difference("", f"byte {first[0]} of the blob", *first[1:]),
    ]


def _first_difference(a: BinaryIO, b: BinaryIO) -> tuple[int, str, str] | None:
    """The first byte that differs: where, and what either side has there."""
    at = 0
    while True:
        ours, theirs = _whole(a), _whole(b)
        if ours != theirs:
            pairs = enumerate(zip_longest(ours, theirs))
            return next((at + i, _byte(x), _byte(y)) for i, (x, y) in pairs if x != y)
        if not ours:
            return None
        at += len(ours)


def _byte(value: int | None) -> str:
    return "the end" if value is None else f"0x{value:02x}"


def _whole(stream: BinaryIO) -> bytes:
    """The next piece: short at the end alone, whatever the stream gives at once."""
    found = b""
    while len(found) < _READ and (piece := stream.read(_READ - len(found))):
        found += piece
    return found


def _members(blob: Path) -> int:
    """How many gzip members a layer consists of; 0 where it is not compressed."""
    with blob.open("rb") as file, blamed(blob):
        if file.read(2) != b"\x1f\x8b":
            return 0
        file.seek(0)
        count, data = 0, file.read(_READ)
        while data:
            count += 1
            inflater = isal_zlib.decompressobj(wbits=_GZIP)
            while not inflater.eof:
                if not data:
                    raise UserError(f"the layer {blob.name} ends early")
                inflater.decompress(data)
                data = inflater.unused_data if inflater.eof else file.read(_READ)
            data = data or file.read(_READ)
        return count
