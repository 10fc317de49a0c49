"""An eStargz reader, written from the specification alone: footer, then table, then ranges.

It shares no code with the writer; what it can't read, other readers can't.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

FOOTER = 51


@dataclass(frozen=True)
class Layer:
    """A blob and its table of contents."""

    blob: bytes
    toc_offset: int
    toc: bytes
    entries: list[dict[str, object]]

    def read(self, name: str) -> bytes:
        """A file's content, fetched by ranges and checked chunk by chunk."""
        first = next(e for e in self.entries if e["name"] == name and e["type"] == "reg")
        size = int(first.get("size", 0))  # type: ignore[call-overload]
        if not size:
            return b""
        parts = [e for e in self.entries if e["name"] == name and e["type"] in {"reg", "chunk"}]
        found = bytearray()
        for part in parts:
            at = part.get("chunkOffset", 0)
            assert at == len(found)
            length = int(part.get("chunkSize", 0)) or size - len(found)  # type: ignore[call-overload]
            data = member(self.blob, int(part["offset"]))[0]  # type: ignore[call-overload]
            assert len(data) == length
            assert part["chunkDigest"] == digest(data)
            found += data
        assert len(found) == size
        assert first["digest"] == digest(bytes(found))
        return bytes(found)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def member(blob: bytes, offset: int) -> tuple[bytes, int]:
    """One gzip member: its content and where the next one begins."""
    inflater = zlib.decompressobj(31)
    data = inflater.decompress(blob[offset:])
    assert inflater.eof, "the member doesn't end"
    return data, len(blob) - len(inflater.unused_data)


def members(blob: bytes) -> list[tuple[int, bytes]]:
    """All members, with the offset of each."""
    found, at = [], 0
    while at < len(blob):
        data, after = member(blob, at)
        found.append((at, data))
        at = after
    return found


def open_layer(path: Path) -> Layer:
    """Read a layer as a lazy puller would, and check the structure that it relies on."""
    blob = path.read_bytes()
    offset = toc_offset(blob[-FOOTER:])
    data, after = member(blob, offset)
    assert after == len(blob) - FOOTER, "the table's member ends where the footer begins"
    toc = read_toc(data)
    return Layer(blob, offset, toc, entries_of(toc))


def read_toc(data: bytes) -> bytes:
    """The table's JSON, out of the tar that its member holds."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        (info,) = tar.getmembers()
        assert info.name == "stargz.index.json"
        assert info.isreg()
        content = tar.extractfile(info)
        assert content is not None
        toc = content.read()
    padded = 512 + -(-info.size // 512) * 512
    assert data[padded:] == bytes(1024), "two zero blocks end the archive"
    return toc


def entries_of(toc: bytes) -> list[dict[str, object]]:
    """The table's entries, checked."""
    table = json.loads(toc)
    assert table["version"] == 1
    entries: list[dict[str, object]] = table["entries"]
    _check(entries)
    return entries


def toc_offset(footer: bytes) -> int:
    """Where the table's member begins."""
    assert footer[:4] == b"\x1f\x8b\x08\x04"
    (extra,) = struct.unpack_from("<H", footer, 10)
    assert extra == 26
    assert footer[12:14] == b"SG"
    assert struct.unpack_from("<H", footer, 14) == (22,)
    assert footer[32:38] == b"STARGZ"
    assert zlib.decompress(footer, 31) == b""
    return int(footer[16:32], 16)


def _check(entries: list[dict[str, object]]) -> None:
    kinds = {"reg", "dir", "symlink", "hardlink", "char", "block", "fifo", "chunk"}
    for entry in entries:
        assert entry["type"] in kinds
        if entry["type"] in {"symlink", "hardlink"}:
            assert entry["linkName"]
        if entry["type"] in {"char", "block"}:
            assert "devMajor" in entry
            assert "devMinor" in entry
        if entry["type"] == "chunk":
            assert {"offset", "chunkOffset", "chunkSize", "chunkDigest"} <= set(entry)
        else:
            assert {"name", "mode", "uid", "gid"} <= set(entry)
        if entry["type"] == "reg" and entry.get("size"):
            assert {"offset", "chunkDigest", "digest"} <= set(entry)
    offsets = [e["offset"] for e in entries if "offset" in e]
    assert offsets == sorted(set(offsets)), "each chunk has a place of its own"  # type: ignore[type-var]
    names = {e["name"] for e in entries}
    assert not names & {".prefetch.landmark", ".no.prefetch.landmark"}, "they'd be in the image"
