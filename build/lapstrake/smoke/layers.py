"""Looking into an image's layers as they lie in dist/: what a container can't show.

A file that an upper layer removes is still in the image, and whoever pulls it can read it.
"""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from isal import igzip, isal_zlib

from lapstrake.dist import BuiltImage, BuiltLayer
from lapstrake.errors import UserError
from lapstrake.layers.toc import FOOTER_SIZE
from lapstrake.store.records import GZIP_LAYER

_GZIP = 31  # zlib's window bits for a gzip member
_TAR_GZIP = frozenset((GZIP_LAYER, "application/vnd.docker.image.rootfs.diff.tar.gzip"))
_TAR = frozenset(("application/vnd.oci.image.layer.v1.tar",))


@dataclass(frozen=True)
class LayerFile:
    """A regular file in a layer: its path without a leading `/`, and its content if wanted."""

    layer: str
    path: str
    mode: int
    content: bytes | None


class LayerFiles:
    """The files that matter in the layers of dist/; each layer is read once.

    Args:
        blobs: the folder of the blobs.
        matters: whether a path matters, and is kept.
        wanted: whether the content of one that matters is, too.
    """

    def __init__(
        self, blobs: Path, matters: Callable[[str], bool], wanted: Callable[[str], bool]
    ) -> None:
        self._blobs = blobs
        self._matters = matters
        self._wanted = wanted
        self._known: dict[str, tuple[LayerFile, ...]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, image: BuiltImage) -> Iterator[LayerFile]:
        """Those of an image, from its bottom layer up.

        Raises:
            UserError: a layer is compressed in a way that can't be read here.
        """
        for layer in image.layers:
            with self._lock:
                lock = self._locks.setdefault(layer.digest, threading.Lock())
            with lock:
                if layer.digest not in self._known:
                    self._known[layer.digest] = tuple(self._read(layer))
            yield from self._known[layer.digest]

    def _read(self, layer: BuiltLayer) -> Iterator[LayerFile]:
        path = self._blobs / layer.digest.removeprefix("sha256:")
        if layer.toc:
            yield from self._read_table(layer, path)
        elif layer.media_type in _TAR_GZIP:
            with igzip.IGzipFile(path, "rb") as stream:  # type: ignore[no-untyped-call]
                yield from self._read_tar(layer, stream)
        elif layer.media_type in _TAR:
            with path.open("rb") as stream:
                yield from self._read_tar(layer, stream)
        else:
            raise UserError(f"a layer is of the type {layer.media_type}, which can't be read here")

    def _read_table(self, layer: BuiltLayer, path: Path) -> Iterator[LayerFile]:
        """By the eStargz table of contents: without inflating what doesn't matter."""
        with path.open("rb") as file:
            file.seek(-FOOTER_SIZE, 2)
            offset = int(file.read()[16:32], 16)
            file.seek(offset)
            member = isal_zlib.decompressobj(wbits=_GZIP).decompress(file.read())
            # one tar entry: a header block, then the JSON up to its padding
            size = int(member[124:135], 8)
            entries = json.loads(member[512 : 512 + size])["entries"]
            for entry in entries:
                name = str(entry["name"])
                if entry["type"] != "reg" or not self._matters(name):
                    continue
                content = None
                if self._wanted(name):
                    file.seek(entry.get("offset", 0))
                    length = int(entry.get("size", 0))
                    content = _inflate(file.read(length + 65536), length) if length else b""
                yield LayerFile(layer.title, name, int(entry["mode"]), content)

    def _read_tar(self, layer: BuiltLayer, stream: object) -> Iterator[LayerFile]:
        with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                name = member.name.removeprefix("./")
                if not member.isfile() or not self._matters(name):
                    continue
                file = tar.extractfile(member) if self._wanted(name) else None
                content = file.read() if file is not None else None
                yield LayerFile(layer.title, name, member.mode, content)


def _inflate(data: bytes, length: int) -> bytes:
    """The first `length` bytes of gzip members that follow each other: a large file has several."""
    content = b""
    while len(content) < length and data:
        inflater = isal_zlib.decompressobj(wbits=_GZIP)
        content += inflater.decompress(data, length - len(content))
        data = inflater.unused_data
    if len(content) != length:
        raise UserError("a layer's table of contents doesn't fit the layer")
    return content
