"""eStargz's table of contents and footer: what lets a runtime fetch one file of a layer.

See the eStargz specification (containerd/stargz-snapshotter, docs/estargz.md).
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

from lapstrake.layers.background import Buffer
from lapstrake.layers.tarheader import Entry

TOC_NAME = "stargz.index.json"

# At a layer's top these tell a runtime that pulls lazily what to do; none is a file of the image.
RESERVED = frozenset({TOC_NAME, ".prefetch.landmark", ".no.prefetch.landmark"})
FOOTER_SIZE = 51

_TYPE = {"file": "reg"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Fields = dict[str, object]


def describe(entry: Entry) -> Fields:
    """An entry's fields, without those about its content."""
    fields: Fields = {"name": _text(entry.tar_name), "type": _TYPE.get(entry.type, entry.type)}
    if entry.size:
        fields["size"] = entry.size
    moment = _EPOCH + timedelta(seconds=entry.mtime)
    fields["modtime"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if entry.target:
        fields["linkName"] = _text(entry.target)
    fields |= {"mode": entry.mode, "uid": entry.uid, "gid": entry.gid}
    if entry.type in {"char", "block"}:
        fields |= {"devMajor": entry.major, "devMinor": entry.minor}
    if entry.xattrs:
        fields["xattrs"] = {
            _text(key): base64.b64encode(value).decode()
            for key, value in sorted(entry.xattrs.items())
        }
    fields["NumLink"] = 0
    return fields


def chunk(name: str, offset: int, at: int, size: int) -> Fields:
    """The second and any further chunk of a file.

    Args:
        name: the file's name.
        offset: of the chunk's gzip header in the blob.
        at: where the chunk begins in the file.
        size: its uncompressed bytes; 0 for the file's last chunk.
    """
    return {
        "name": _text(name),
        "type": "chunk",
        "offset": offset,
        "chunkOffset": at,
        "chunkSize": size,
    }


def line(fields: Fields) -> str:
    """One entry as JSON."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def document(lines: list[str]) -> bytes:
    """The whole table of contents."""
    return ('{"version":1,"entries":[\n' + ",\n".join(lines) + "\n]}\n").encode()


def digest_of(data: Buffer) -> str:
    """`sha256:…` of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def footer(offset: int) -> bytes:
    """The 51 bytes that say where the table's gzip member begins: an empty gzip member."""
    extra = b"SG\x16\x00" + b"%016xSTARGZ" % offset
    gzip_header = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff"
    empty_block = b"\x01\x00\x00\xff\xff"
    return gzip_header + b"\x1a\x00" + extra + empty_block + bytes(8)


def _text(name: str) -> str:
    """JSON holds Unicode alone: other bytes become U+FFFD, as in the reference implementation."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
