"""OCI layouts made by hand, for registries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from lapstrake.store.records import Blob


def make_layout(folder: Path, layers: Sequence[tuple[Path, Blob]], tag: str = "image") -> str:
    """An OCI layout with one image of these layers; the manifest's digest."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["A=b"]},
        "rootfs": {"type": "layers", "diff_ids": [blob.diff_id for _, blob in layers]},
    }
    for path, blob in layers:
        (blobs / blob.digest.removeprefix("sha256:")).write_bytes(path.read_bytes())
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _put(blobs, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [
            {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
            for _, blob in layers
        ],
    }
    described = _put(blobs, manifest, manifest["mediaType"])
    described["annotations"] = {"org.opencontainers.image.ref.name": tag}
    index = {"schemaVersion": 2, "manifests": [described]}
    (folder / "index.json").write_text(json.dumps(index))
    return str(described["digest"])


def _put(blobs: Path, value: object, media_type: object) -> dict[str, object]:
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
