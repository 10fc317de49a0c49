"""Tiny images for a registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lapstrake import process

_OCI = "application/vnd.oci.image"


def push(folder: Path, reference: str, layers: Sequence[Mapping[str, str]]) -> str:
    """Push an image whose layers have these files; the manifest's digest."""
    layout = folder / f"layout-{hashlib.sha256(reference.encode()).hexdigest()[:8]}"
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def blob(data: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        media = f"{_OCI}.{kind}"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

    tars = [_tar(files) for files in layers]
    diff_ids = [f"sha256:{hashlib.sha256(t).hexdigest()}" for t in tars]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [blob(gzip.compress(t, mtime=0), "layer.v1.tar+gzip") for t in tars],
    }
    entry = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    args = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false"]
    process.run([*args, f"oci:{layout}", f"docker://{reference}"])
    return str(entry["digest"])


def _tar(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()
