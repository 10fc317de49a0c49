"""The root that both sides start from: bootstrapped once, before any clock runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.setting import lapstrake
from lapstrake import process
from lapstrake.definition.load import load
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME
from lapstrake.oci.image import CONFIG_TYPE, INDEX_TYPE, MANIFEST_TYPE
from lapstrake.plan.make import make_plan
from lapstrake.store.records import Blob, LayerRecord
from lapstrake.store.store import Store

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def build_root(repository: Path, out: Path, cache: Path | None = None) -> tuple[Blob, ...]:
    """Have the root of `base` in a cache, by default the user's own; its blobs, bottom up."""
    lapstrake("build", "base", "--out", out, cache=cache, repository=repository)
    return tuple(b for record in _roots(repository, Store(cache)) for b in record.blobs)


def _roots(repository: Path, store: Store) -> list[LayerRecord]:
    plan = make_plan(load(repository), read_lock(repository / LOCK_NAME))
    records = [store.record(x.id) for x in plan.image("base").layers if x.kind == "root"]
    return [r for r in records if r is not None]


def seed_root(repository: Path, cache: Path) -> None:
    """Give an empty cache the root's layers from the user's, as if it had been built long ago."""
    source, target = Store(), Store(cache)
    for record in _roots(repository, source):
        for blob in record.blobs:
            if not target.holds(blob):
                _copy(source.blob(blob.digest), target.blob(blob.digest))
        target.commit(record)


def _copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def push_root(blobs: Sequence[Blob], store: Store, work: Path, reference: str) -> None:
    """Put the root into a registry as an image of its own, with the very blobs of Lapstrake's."""
    folder = work / "blobs/sha256"
    folder.mkdir(parents=True)
    for blob in blobs:
        _copy(store.blob(blob.digest), folder / blob.digest.removeprefix("sha256:"))
    config = _put(folder, _config(blobs), CONFIG_TYPE)
    layers = [{"mediaType": b.media_type, "digest": b.digest, "size": b.size} for b in blobs]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": layers}
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE}
    described = _put(folder, manifest, MANIFEST_TYPE)
    (work / "index.json").write_text(json.dumps(index | {"manifests": [described]}))
    (work / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    plain = "--dest-tls-verify=false"
    process.run(["skopeo", "copy", "--quiet", plain, f"oci:{work}", f"docker://{reference}"])
    shutil.rmtree(work)


def _config(blobs: Sequence[Blob]) -> dict[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [_PATH]},
        "rootfs": {"type": "layers", "diff_ids": [b.diff_id for b in blobs]},
    }


def _put(folder: Path, value: object, media_type: str) -> dict[str, object]:
    data = json.dumps(value, sort_keys=True).encode()
    name = hashlib.sha256(data).hexdigest()
    (folder / name).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}
