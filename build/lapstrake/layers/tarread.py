"""Reads layers: the entries of a compressed tar, one after the other."""

from __future__ import annotations

import contextlib
import gzip
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip, isal_zlib

from lapstrake.errors import UserError
from lapstrake.layers.tarheader import Entry, Type
from lapstrake.layers.toc import RESERVED

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"

# Its type stubs take the class for an instance, and lack this signature.
_IsalError = cast("type[Exception]", isal_zlib.error)
_gunzip = cast("Callable[[BinaryIO], BinaryIO]", igzip.open)

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# tarfile copies what is left of a buffer for each header that it reads out of it
TAR_BUFFER = 1 << 14
_XATTR = "SCHILY.xattr."

_TYPES: dict[bytes, Type] = {
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "dir",
    tarfile.FIFOTYPE: "fifo",
}


@dataclass(frozen=True)
class Member:
    """An entry that was read; `content` can be read until the next one is asked for."""

    entry: Entry
    content: BinaryIO | None


@contextlib.contextmanager
def open_layer(blob: Path) -> Iterator[BinaryIO]:
    """The uncompressed tar of a layer, which is compressed with gzip or not at all.

    Raises:
        UserError: it is compressed in another way, or turns out damaged while it is read.
    """
    with blob.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic == _ZSTD:
            raise UserError(
                f"the layer {blob.name} is compressed with zstd, which can't be read here",
                "use an image whose layers are compressed with gzip",
            )
        with blamed(blob):
            if magic.startswith(_GZIP):
                with _gunzip(raw) as stream:
                    yield stream
            else:
                yield raw


@contextlib.contextmanager
def blamed(blob: Path) -> Iterator[None]:
    """Turn what the readers below say of damaged data into a sentence about the layer."""
    try:
        yield
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, _IsalError) as error:
        raise UserError(f"the layer {blob.name} is damaged: {error}") from error


def read_members(stream: BinaryIO) -> Iterator[Member]:
    """The entries of a tar in their order; those of tools' own bookkeeping are left out.

    Raises:
        UserError: an entry's name leaves the root.
    """
    with tarfile.open(
        fileobj=stream, mode="r|", bufsize=TAR_BUFFER, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for info in tar:
            name = _relative(info.name)
            if not name or name in RESERVED:
                continue
            entry = _entry(info, name)
            yield Member(
                entry,
                cast("BinaryIO | None", tar.extractfile(info) if entry.type == "file" else None),
            )


def layer_members(blob: Path) -> Iterator[Member]:
    """The entries of a layer in their order."""
    with open_layer(blob) as stream:
        yield from read_members(stream)


def _entry(info: tarfile.TarInfo, name: str) -> Entry:
    kind: Type = "file" if info.isreg() else _TYPES[info.type]
    target = info.linkname if kind == "symlink" else ""
    if kind == "hardlink":
        target = _relative(info.linkname)
    is_device = kind in {"char", "block"}
    return Entry(
        name=name,
        type=kind,
        mode=info.mode & 0o7777,
        mtime=int(info.mtime),
        uid=info.uid,
        gid=info.gid,
        size=info.size if kind == "file" else 0,
        target=target,
        major=info.devmajor if is_device else 0,
        minor=info.devminor if is_device else 0,
        xattrs={
            key.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
            for key, value in info.pax_headers.items()
            if key.startswith(_XATTR)
        },
    )


def _relative(name: str) -> str:
    """A name as it counts from the root: `usr/bin` for `/usr/bin`, `./usr/bin/`."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise UserError(f"a layer names a path outside the image: {name}")
    return "/".join(parts)
