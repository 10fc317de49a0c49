"""Configs and manifests, as the OCI image specification 1.1 has them. Pure: values to bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lapstrake.layers.kinds import Layer
from lapstrake.plan.model import Config, ImagePlan
from lapstrake.store.records import Blob, LayerRecord

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

# What runtimes that pull lazily look for (the eStargz specification)
_TOC_KEY = "containerd.io/snapshot/stargz/toc.digest"
_UNPACKED_KEY = "io.containers.estargz.uncompressed-size"

Json = dict[str, object]


@dataclass(frozen=True)
class Document:
    """A JSON document that is a blob: its bytes and its digest (`sha256:…`)."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """`sha256:…` of the bytes."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self) -> Json:
        """What refers to it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True)
class Assembled:
    """An image's manifest and config, and its blobs from the bottom up, each with its layer.

    `env` is the whole environment that the config has, what a pulled root brought included.
    """

    name: str
    manifest: Document
    config: Document
    blobs: tuple[tuple[Layer, Blob], ...]
    env: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes of all layers as they are stored, and of the config."""
        return sum(b.size for _, b in self.blobs) + len(self.config.data)


def assemble(
    image: ImagePlan, records: Mapping[str, LayerRecord], platform: str, epoch: int
) -> Assembled:
    """Config and manifest of an image whose layers are all built (`records` by layer id)."""
    blobs = tuple((layer, b) for layer in image.layers for b in records[layer.id].blobs)
    base = next((r.config for x in image.layers if (r := records[x.id]).config), {})
    config = _document(_config(image.config, blobs, platform, epoch, base), CONFIG_TYPE)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(),
        "layers": [_layer_descriptor(blob) for _, blob in blobs],
        "annotations": dict(image.annotations),
    }
    env = environment(image.config, base)
    return Assembled(image.name, _document(manifest, MANIFEST_TYPE), config, blobs, env)


def _document(value: Json, media_type: str) -> Document:
    data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Document(data.encode(), media_type)


def _layer_descriptor(blob: Blob) -> Json:
    found: Json = {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
    if blob.toc:
        found["annotations"] = {_TOC_KEY: blob.toc, _UNPACKED_KEY: str(blob.unpacked)}
    return found


def _config(
    config: Config,
    blobs: Sequence[tuple[Layer, Blob]],
    platform: str,
    epoch: int,
    base: Mapping[str, object],
) -> Json:
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    system, architecture = platform.split("/")
    return {
        "created": created,
        "os": system,
        "architecture": architecture,
        "config": _runtime_config(config, base),
        "rootfs": {"type": "layers", "diff_ids": [b.diff_id for _, b in blobs]},
        "history": [
            {"created": created, "created_by": f"lapstrake {x.kind}: {x.title}"} for x, _ in blobs
        ],
    }


def _runtime_config(config: Config, base: Mapping[str, object]) -> Json:
    """The part that a container runtime reads; what a pulled root says lies below ours."""
    old = _mapping(base.get("config"))
    found: Json = {
        "Env": [f"{k}={v}" for k, v in environment(config, base).items()],
        "Entrypoint": list(config.entrypoint),
        "WorkingDir": config.workdir,
        "StopSignal": "SIGTERM",
        "Labels": {**_mapping(old.get("Labels")), **dict(config.labels)},
    }
    if volumes := {**_mapping(old.get("Volumes")), **{v: {} for v in config.volumes}}:
        found["Volumes"] = volumes
    if config.ports:
        found["ExposedPorts"] = {f"{p}/tcp": {} for p in config.ports}
    return found


def environment(config: Config, base: Mapping[str, object]) -> dict[str, str]:
    """The variables of an image, sorted: those of a pulled root, and ours over them.

    Args:
        config: the image's own.
        base: the config of the root; empty where it was bootstrapped.
    """
    old = _pairs(_mapping(base.get("config")).get("Env"))
    ours = {k: v for k, v in config.env if k not in config.yields or k not in old}
    return dict(sorted((old | ours).items()))


def _pairs(env: object) -> dict[str, str]:
    lines = env if isinstance(env, list) else []
    return dict(str(line).split("=", 1) for line in lines if "=" in str(line))


def _mapping(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, dict) else {}
