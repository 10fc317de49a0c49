"""Files out of a registry by range requests alone, without the rest of their layer.

The registry is Debian's, the reader is the tests' own (written from the specification), and what
counts are the bytes of all bodies that the registry sends.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pydantic_core
import pytest
from estargz_reader import FOOTER, digest, entries_of, member, read_toc, toc_offset

from lapstrake.layers.content import CHUNK
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.store.store import Store
from lapstrake_release.registry import Registry, Repository
from support.registry import serve_registry
from support.tinyimages import built, image

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

# What may travel for one small file, of the bytes of its layer.
_SHARE = 0.05

_WANTED = "lib/argparse.py"
_LARGE = "weights.bin"


def _library() -> Iterator[tuple[str, Path]]:
    """This Python's own library and what tests run with: real trees with many files."""
    left_out = {"site-packages", "dist-packages", "test", "tests", "__pycache__"}
    for folder, top in (
        ("lib", Path(sysconfig.get_path("stdlib"))),
        ("pydantic", Path(pydantic_core.__file__).parent),
        ("hypothesis", Path(hypothesis.__file__).parent),
    ):
        for path in sorted(top.rglob("*")):
            name = path.relative_to(top)
            if path.suffix in {".py", ".so"} and not left_out & set(name.parts):
                yield f"{folder}/{name}", path


def _weights() -> bytes:
    """A large file that no compressor makes much smaller; its last chunk is no whole one."""
    return random.Random(7).randbytes(9 * CHUNK + 12345)  # noqa: S311


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, bytes]]]:
    """A registry with two images of one layer each; and what lies in the layers."""
    folder = tmp_path_factory.mktemp("pushed")
    many = {name: path.read_bytes() for name, path in _library()}
    large = {_LARGE: _weights(), "readme": b"small\n"}
    store = Store(folder / "cache")
    plans = []
    for title, files in (("many", many), ("large", large)):
        entries = tuple(FileEntry.of(f"/{n}", files[n]) for n in sorted(files))
        plans.append(replace(image(title, "unused"), layers=(Files(title, entries),)))
    build = built(folder / "dist", store, *plans)
    with serve_registry(folder / "registry") as host:
        registry = Registry(Repository(host, "lazy"))
        for found in build.images:
            registry.push(folder / "dist", found, found.name)
        yield f"http://{host}/v2/lazy", many | large


class Lazy:
    """The one layer of an image, as a lazy puller reads it; `received` are the bytes of bodies."""

    def __init__(self, repository: str, tag: str) -> None:
        self._client = httpx.Client(trust_env=False, headers={"Accept-Encoding": "identity"})
        self.received = 0
        said = self._get(f"{repository}/manifests/{tag}", {"Accept": _MANIFEST})
        (layer,) = said.json()["layers"]
        self._blob = f"{repository}/blobs/{layer['digest']}"
        self.size = int(layer["size"])
        at = toc_offset(self._bytes(self.size - FOOTER, self.size))
        toc = read_toc(member(self._bytes(at, self.size - FOOTER), 0)[0])
        assert layer["annotations"]["containerd.io/snapshot/stargz/toc.digest"] == digest(toc)
        self.entries: list[dict[str, Any]] = entries_of(toc)
        self._ends = sorted([e["offset"] for e in self.entries if "offset" in e] + [at])

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """A part of a file, out of those chunks alone that it lies in; each is checked."""
        first = next(e for e in self.entries if e["name"] == name and e["type"] == "reg")
        end = first["size"] if length is None else start + length
        found, begins = b"", 0
        for part in [e for e in self.entries if e["name"] == name and "chunkDigest" in e]:
            at = part.get("chunkOffset", 0)
            size = part.get("chunkSize") or first["size"] - at
            if at < end and at + size > start:
                begins = begins if found else at
                found += self._chunk(part)
        whole = found[start - begins : end - begins]
        assert length is not None or digest(whole) == first["digest"]
        return whole

    def _chunk(self, part: dict[str, Any]) -> bytes:
        after = next(e for e in self._ends if e > part["offset"])
        data, _ = member(self._bytes(part["offset"], after), 0)
        assert digest(data) == part["chunkDigest"]
        return data

    def _bytes(self, start: int, end: int) -> bytes:
        said = self._get(self._blob, {"Range": f"bytes={start}-{end - 1}"})
        assert said.status_code == 206
        assert said.headers["content-range"] == f"bytes {start}-{end - 1}/{self.size}"
        return said.content

    def _get(self, url: str, headers: dict[str, str]) -> httpx.Response:
        said = self._client.get(url, headers=headers).raise_for_status()
        self.received += len(said.content)
        return said


def test_a_file_of_a_layer_of_many(pushed: tuple[str, dict[str, bytes]]) -> None:
    repository, files = pushed
    layer = Lazy(repository, "many")
    assert layer.size > 3_000_000
    assert sum(e["type"] == "reg" for e in layer.entries) > 400
    assert layer.read(_WANTED) == files[_WANTED]
    assert layer.received < _SHARE * layer.size


def test_a_part_of_a_large_file(pushed: tuple[str, dict[str, bytes]]) -> None:
    repository, files = pushed
    content = files[_LARGE]
    layer = Lazy(repository, "large")
    before = layer.received
    # within one chunk, over the border of two, and at the end, where the chunk is a short one
    for start, length, chunks in (
        (3 * CHUNK + 5, 1000, 1),
        (6 * CHUNK - 10, 20, 2),
        (9 * CHUNK + 12000, 345, 0.01),
    ):
        layer.received = before
        assert layer.read(_LARGE, start, length) == content[start : start + length]
        assert layer.received < before + chunks * CHUNK * 1.01 + _SHARE * CHUNK
    layer.received = before
    assert layer.read("readme") == files["readme"]
    assert layer.received < _SHARE * layer.size
    assert layer.read(_LARGE) == content
