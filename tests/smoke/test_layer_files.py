"""Reading what matters out of layers, with and without a table of contents."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from isal import igzip

from lapstrake.dist import BuiltImage, BuiltLayer
from lapstrake.errors import UserError
from lapstrake.layers.estargz import Entry, LayerWriter
from lapstrake.smoke.layers import LayerFile, LayerFiles
from lapstrake.store.store import Store
from support.tinyimages import built, image

FILES = {
    "etc/shadow": b"root:*:1::::::\n",
    "etc/empty": b"",
    "etc/ssh/ssh_host_rsa_key": b"secret" * 1000,
    "usr/large": os.urandom(9 << 20),
    "srv/other": b"no matter",
}


def wants(path: str) -> bool:
    return not path.startswith("srv/")


def layer_of(path: Path, toc: str, media_type: str) -> BuiltLayer:
    data = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    path.rename(path.parent / digest.removeprefix("sha256:"))
    return BuiltLayer(
        kind="files",
        id="x",
        title="the layer",
        digest=digest,
        diff_id="",
        size=len(data),
        unpacked=0,
        toc=toc,
        media_type=media_type,
        state="built",
        seconds=0,
    )


def indexed(folder: Path) -> BuiltLayer:
    with LayerWriter(folder / "new") as writer:
        writer.add(Entry("etc", "dir", 0o755, 0))
        for name, content in FILES.items():
            writer.add(Entry(name, "file", 0o640, 0, size=len(content)), content)
        writer.add(Entry("etc/link", "symlink", 0o777, 0, target="shadow"))
    return layer_of(folder / "new", writer.blob.toc, writer.blob.media_type)


def plain(folder: Path) -> BuiltLayer:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size, member.mode = len(content), 0o640
            tar.addfile(member, io.BytesIO(content))
    (folder / "new").write_bytes(igzip.compress(packed.getvalue()))
    return layer_of(folder / "new", "", "application/vnd.docker.image.rootfs.diff.tar.gzip")


@pytest.fixture
def an_image(tmp_path: Path, store: Store) -> BuiltImage:
    return built(tmp_path / "dist", store, image("a", "one")).images[0]


@pytest.mark.parametrize("make", [indexed, plain])
def test_what_matters_is_found_with_its_content(
    make: object, tmp_path: Path, an_image: BuiltImage
) -> None:
    layer = make(tmp_path)  # type: ignore[operator]
    reader = LayerFiles(tmp_path, wants, lambda path: path != "etc/empty")
    found = list(reader.of(an_image.model_copy(update={"layers": (layer,)})))
    assert sorted(found, key=lambda f: f.path) == [
        LayerFile("the layer", name, 0o640, None if name == "etc/empty" else content)
        for name, content in sorted(FILES.items())
        if wants(name)
    ]


def test_a_layer_is_read_once(tmp_path: Path, an_image: BuiltImage) -> None:
    layer = indexed(tmp_path)
    reader = LayerFiles(tmp_path, wants, wants)
    holder = an_image.model_copy(update={"layers": (layer,)})
    first = list(reader.of(holder))
    (tmp_path / layer.digest.removeprefix("sha256:")).unlink()
    assert list(reader.of(holder)) == first


def test_a_compression_that_is_not_known(tmp_path: Path, an_image: BuiltImage) -> None:
    layer = plain(tmp_path).model_copy(update={"media_type": "application/x+zstd"})
    reader = LayerFiles(tmp_path, wants, wants)
    with pytest.raises(UserError, match=r"application/x\+zstd, which can't be read here"):
        list(reader.of(an_image.model_copy(update={"layers": (layer,)})))
