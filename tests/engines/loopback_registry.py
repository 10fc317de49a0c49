"""Debian's docker-registry on loopback, and images made by hand for it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from lapstrake import process
from lapstrake.store.records import Blob

_CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: "{folder}"}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextlib.contextmanager
def serve_registry(folder: Path) -> Iterator[str]:
    """HOST:PORT of an empty registry that ends with the context."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder / "data", port=port))
    address = f"127.0.0.1:{port}"
    with (
        (folder / "log").open("wb") as log,
        process.spawn(["docker-registry", "serve", config], stderr=log.fileno()) as child,
    ):
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://{address}/v2/", trust_env=False)
                break
            assert child.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield address
        child.terminate()


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
