"""OCI layouts of layers made by hand."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

MTIME = 1_600_000_000


def entry(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """A file, or what `fields` (those of a TarInfo) make of it."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), MTIME
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar_of(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of just these, in this order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def one_member(tar: bytes) -> bytes:
    """The whole archive as one gzip member."""
    return gzip.compress(tar, mtime=0)


def two_members(tar: bytes) -> bytes:
    """The archive as two."""
    return one_member(tar[:512]) + one_member(tar[512:])


def layer(path: Path, tar: bytes, pack: Callable[[bytes], bytes] = one_member) -> Path:
    """A layer in a file."""
    path.write_bytes(pack(tar))
    return path


def layout(
    folder: Path, name: str, layers: Sequence[bytes], config: dict[str, object] | None = None
) -> Path:
    """A layout with one image, as tools other than Lapstrake write it."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    diffs = [f"sha256:{hashlib.sha256(gzip.decompress(x)).hexdigest()}" for x in layers]
    whole = {
        "os": "linux",
        "architecture": "amd64",
        "config": config or {},
        "rootfs": {"type": "layers", "diff_ids": diffs},
    }
    kind = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": {
            "mediaType": f"{kind}.config.v1+json",
            **put(json.dumps(whole).encode()),
        },
        "layers": [{"mediaType": f"{kind}.layer.v1.tar+gzip", **put(x)} for x in layers],
    }
    described = put(json.dumps(manifest).encode())
    key = "org.opencontainers.image.ref.name"
    first = {"mediaType": manifest["mediaType"], **described, "annotations": {key: name}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [first]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder
