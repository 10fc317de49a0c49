"""What a repository may hold under a layer's tag, and what of it is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lapstrake.layers.kinds import FileEntry, Files, Pulled
from lapstrake.share.artifact import Unfit, config_of, pack, tag_of, unpack
from lapstrake.store.records import Blob, LayerRecord

LAYER = Files("some files", (FileEntry.of("/srv/a", b"a"),))
PULLED = Pulled("pulled", "registry.example/a:1", f"sha256:{'d' * 64}", "linux/amd64")
BLOB = Blob(f"sha256:{'a' * 64}", f"sha256:{'b' * 64}", 10, 20, f"sha256:{'c' * 64}")
RECORD = LayerRecord(LAYER.id, "files", LAYER.title, (BLOB,), LAYER.inputs(), 1.5)

Json = dict[str, Any]


def test_there_and_back() -> None:
    artifact = pack(RECORD)
    assert artifact.tag == tag_of(LAYER.id)
    assert config_of(artifact.manifest).size == len(artifact.config)
    assert unpack(LAYER, artifact.manifest, artifact.config) == replace(RECORD, seconds=0.0)


def test_a_pulled_root_has_its_config_and_no_tables() -> None:
    plain = "application/vnd.oci.image.layer.v1.tar"
    blobs = (replace(BLOB, toc=""), replace(BLOB, toc="", media_type=plain))
    config = {"config": {"Env": ["A=b"]}}
    record = LayerRecord(PULLED.id, "root", PULLED.title, blobs, PULLED.inputs(), 0.0, config)
    artifact = pack(record)
    assert unpack(PULLED, artifact.manifest, artifact.config) == record


def test_two_machines_push_the_same() -> None:
    assert pack(RECORD) == pack(replace(RECORD, seconds=99.0, title="called otherwise"))


def _set(key: str, value: object) -> Callable[[Json], object]:
    return lambda known: known.update({key: value})


def _in_blob(key: str, value: object) -> Callable[[Json], object]:
    return lambda known: known["blobs"][0].update({key: value})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set("id", "0" * 64), "is that of another layer"),
        (_set("kind", "wheels"), "has other inputs"),
        (_set("inputs", {}), "has other inputs"),
        (_set("config", {"config": {}}), "has an image's config"),
        (_set("config", None), "has an image's config"),
        (_set("blobs", []), "names no blob, or more than 1"),
        (_set("blobs", None), "names no blob, or more than 1"),
        (_set("blobs", [1]), "is damaged"),
        (lambda known: known["blobs"].append(known["blobs"][0]), "names no blob, or more than 1"),
        (_in_blob("digest", "sha256:../../../../etc/passwd"), "is damaged"),
        (_in_blob("digest", None), "is damaged"),
        (_in_blob("diff_id", ["x"]), "is damaged"),
        (_in_blob("size", -1), "is damaged"),
        (_in_blob("size", "10"), "is damaged"),
        (_in_blob("unpacked", True), "is damaged"),
        (_in_blob("toc", ""), "is damaged"),
        (_in_blob("media_type", "text/html"), "is damaged"),
        (_in_blob("media_type", ["x"]), "is damaged"),
        (_in_blob("more", 1), "is damaged"),
        (_in_blob("size", 11), "name different blobs"),
    ],
)
def test_records_that_are_refused(change: Callable[[Json], object], reason: str) -> None:
    artifact = pack(RECORD)
    known = json.loads(artifact.config)
    change(known)
    with pytest.raises(Unfit, match=reason):
        unpack(LAYER, artifact.manifest, json.dumps(known).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_record(data: bytes) -> None:
    with pytest.raises(Unfit, match="is no JSON"):
        unpack(LAYER, pack(RECORD).manifest, data)
    with pytest.raises(Unfit, match="is no JSON"):
        config_of(data)


@pytest.mark.parametrize(
    "change",
    [
        _set("artifactType", "application/x"),
        _set("config", None),
        _set("config", {"mediaType": "application/x", "digest": BLOB.digest, "size": 1}),
        lambda found: found["config"].update(digest="sha256:x"),
        lambda found: found["config"].update(size=-1),
    ],
)
def test_manifests_that_are_refused(change: Callable[[Json], object]) -> None:
    found = json.loads(pack(RECORD).manifest)
    change(found)
    with pytest.raises(Unfit):
        config_of(json.dumps(found).encode())
