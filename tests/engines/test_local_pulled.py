from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from layouts import make_layout

from lapstrake import process
from lapstrake.engines.local.copy import copy_layer
from lapstrake.engines.local.pulled import pull_root
from lapstrake.errors import UserError
from lapstrake.layers.files_layer import write_files
from lapstrake.layers.kinds import Copy, FileEntry, Files, Pulled
from lapstrake.layers.tarread import layer_members
from lapstrake.store.records import Blob
from lapstrake.store.store import Store
from support.registry import serve_registry

_PLATFORM = "linux/amd64"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of an empty registry on loopback."""
    with serve_registry(tmp_path / "registry") as address:
        yield address


def _layer(tmp_path: Path, name: str) -> tuple[Path, Blob]:
    out = tmp_path / f"layer-{name}"
    entry = FileEntry.of(f"/srv/{name}", name.encode() * 1000)
    return out, write_files(Files(name, (entry,)), out)


@pytest.fixture
def layers(tmp_path: Path) -> list[tuple[Path, Blob]]:
    return [_layer(tmp_path, name) for name in ("one", "two")]


def _push(layout: Path, reference: str, *options: str) -> str:
    """Push an image; its digest in the registry."""
    args = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", *options]
    process.run([*args, f"oci:{layout}:image", f"docker://{reference}"])
    raw = process.run(
        [
            "skopeo",
            "inspect",
            "--tls-verify=false",
            "--format",
            "{{.Digest}}",
            f"docker://{reference}",
        ]
    )
    return raw.stdout.strip()


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_layers_are_adopted_as_they_are(
    registry: str, layers: list[tuple[Path, Blob]], store: Store, tmp_path: Path, form: str
) -> None:
    make_layout(tmp_path / "layout", layers)
    reference = f"{registry}/some/base:1.0"
    digest = _push(tmp_path / "layout", reference, "--format", form)
    blobs, config = pull_root(Pulled("base", reference, digest, _PLATFORM), store)
    assert [(b.digest, b.diff_id, b.size, b.unpacked, b.media_type) for b in blobs] == [
        (b.digest, b.diff_id, b.size, b.unpacked, b.media_type) for _, b in layers
    ]
    assert all(store.holds(blob) for blob in blobs)
    settings = config["config"]
    assert isinstance(settings, dict)
    assert settings["Env"] == ["A=b"]


def test_what_was_pulled_once_needs_no_registry(
    layers: list[tuple[Path, Blob]], store: Store, tmp_path: Path
) -> None:
    make_layout(tmp_path / "layout", layers)
    with serve_registry(tmp_path / "registry") as address:
        reference = f"{address}/base"
        layer = Pulled("base", reference, _push(tmp_path / "layout", reference), _PLATFORM)
        first = pull_root(layer, store)
    assert pull_root(layer, store) == first


def test_a_layer_that_isnt_what_the_config_says_is_refused(
    registry: str, layers: list[tuple[Path, Blob]], store: Store, tmp_path: Path
) -> None:
    (path, one), (_, two) = layers
    lying = Blob(one.digest, two.diff_id, one.size, one.unpacked)
    make_layout(tmp_path / "layout", [(path, lying)])
    digest = _push(tmp_path / "layout", f"{registry}/base")
    with pytest.raises(UserError, match="isn't what its diffID says"):
        pull_root(Pulled("base", f"{registry}/base", digest, _PLATFORM), store)
    assert not store.holds(one)


def test_a_missing_image_is_named(registry: str, store: Store) -> None:
    digest = f"sha256:{'0' * 64}"
    with pytest.raises(UserError, match=f"{registry}/nothing can't be pulled") as raised:
        pull_root(Pulled("base", f"{registry}/nothing", digest, _PLATFORM), store)
    assert raised.value.details
    assert list((store.root / "images").iterdir()) == []


def test_paths_out_of_an_image_in_a_registry(
    registry: str, layers: list[tuple[Path, Blob]], store: Store, tmp_path: Path
) -> None:
    make_layout(tmp_path / "layout", layers)
    reference = f"{registry}/base"
    digest = _push(tmp_path / "layout", reference)
    paths = (("/srv/two", "/opt/2"),)
    (blob,) = copy_layer(Copy("copy", reference, digest, _PLATFORM, (), paths), [], store)
    names = [member.entry.name for member in layer_members(store.blob(blob.digest))]
    assert names == ["opt", "opt/2"]


def test_paths_out_of_an_image_of_the_family(
    layers: list[tuple[Path, Blob]], store: Store, tmp_path: Path
) -> None:
    for path, blob in layers:
        store.blob(blob.digest).write_bytes(path.read_bytes())
    layer = Copy("copy of base", "", "", _PLATFORM, (), (("/srv", "/data"),))
    (blob,) = copy_layer(layer, [blob for _, blob in layers], store)
    names = [member.entry.name for member in layer_members(store.blob(blob.digest))]
    assert names == ["data", "data/one", "data/two"]
    missing = Copy("copy of base", "", "", _PLATFORM, (), (("/nope", "/data"),))
    with pytest.raises(UserError, match="copy of base: the image has no /nope"):
        copy_layer(missing, [blob for _, blob in layers], store)


def test_a_manifest_of_another_kind_is_refused(
    registry: str, layers: list[tuple[Path, Blob]], store: Store, tmp_path: Path
) -> None:
    make_layout(tmp_path / "layout", layers)
    digest = _push(tmp_path / "layout", f"{registry}/base")
    layer = Pulled("base", f"{registry}/base", digest, _PLATFORM)
    pull_root(layer, store)
    manifest = store.image(digest) / "manifest.json"
    value = json.loads(manifest.read_bytes())
    value["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"
    manifest.write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"tar\+zstd, which can't be used"):
        pull_root(layer, store)
