"""A layer as an OCI artifact: its blobs as they are, and what is known of it as the config.

The artifact of a layer has the tag `layer-<id>`. It depends on nothing but the layer's inputs and
bytes, so that two machines that built the same push the same.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

from lapstrake.errors import UserError
from lapstrake.layers.kinds import Bootstrap, Layer, Pulled
from lapstrake.registry.client import MANIFEST, is_digest, sha256_of
from lapstrake.store.records import GZIP_LAYER, Blob, LayerRecord

ARTIFACT_TYPE = "application/vnd.lapstrake.layer.v1"
CONFIG_TYPE = "application/vnd.lapstrake.layer.v1+json"

_PLAIN_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MOST_BLOBS = 127

Json = dict[str, Any]


class Unfit(UserError):
    """An artifact isn't the layer that its tag says; the message says in which way."""


@dataclass(frozen=True)
class Descriptor:
    """What a manifest says of a blob."""

    media_type: str
    digest: str
    size: int

    def to_json(self) -> Json:
        """As it stands in a manifest."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class Artifact:
    """What is pushed beside a layer's blobs: the config, and the manifest that names them all."""

    tag: str
    config: bytes
    manifest: bytes


def tag_of(layer_id: str) -> str:
    """The tag of a layer's artifact."""
    return f"layer-{layer_id}"


def pack(record: LayerRecord) -> Artifact:
    """A built layer's artifact.

    How long it took and what it is called are left out: other machines may say it otherwise.
    """
    known = {
        "id": record.id,
        "kind": record.kind,
        "blobs": [asdict(blob) for blob in record.blobs],
        "inputs": record.inputs,
        "config": record.config,
    }
    config = _canonical(known)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": Descriptor(CONFIG_TYPE, sha256_of(config), len(config)).to_json(),
        "layers": [Descriptor(b.media_type, b.digest, b.size).to_json() for b in record.blobs],
    }
    return Artifact(tag_of(record.id), config, _canonical(manifest))


def config_of(manifest: bytes) -> Descriptor:
    """Where the config of an artifact of ours is.

    Raises:
        Unfit: the manifest is that of something else.
    """
    found = _object(manifest, "manifest")
    if found.get("artifactType") != ARTIFACT_TYPE:
        raise Unfit("its tag names something else than a layer")
    config = _descriptor(found.get("config"))
    if config.media_type != CONFIG_TYPE:
        raise Unfit(f"its config is of the type {config.media_type}")
    return config


def unpack(layer: Layer, manifest: bytes, config: bytes) -> LayerRecord:
    """The record of `layer` out of an artifact.

    What it says of the blobs' content is to be checked against them.

    Raises:
        Unfit: the artifact is that of another layer, or is damaged.
    """
    known = _object(config, "config")
    wanted = json.loads(_canonical({"id": layer.id, "kind": layer.kind, "in": layer.inputs()}))
    if known.get("id") != wanted["id"]:
        raise Unfit("its record is that of another layer")
    if known.get("kind") != wanted["kind"] or known.get("inputs") != wanted["in"]:
        raise Unfit("its record has other inputs")
    image_config = known.get("config")
    if not isinstance(image_config, dict) or (image_config and not isinstance(layer, Pulled)):
        raise Unfit("its record has an image's config")
    blobs = _blobs(known.get("blobs"), layer)
    named = _object(manifest, "manifest").get("layers")
    if named != [Descriptor(b.media_type, b.digest, b.size).to_json() for b in blobs]:
        raise Unfit("its manifest and its record name different blobs")
    return LayerRecord(
        id=layer.id,
        kind=layer.kind,
        title=layer.title,
        blobs=blobs,
        inputs=layer.inputs(),
        seconds=0.0,
        config=image_config,
    )


def _blobs(found: object, layer: Layer) -> tuple[Blob, ...]:
    most = layer.blobs if isinstance(layer, Bootstrap) else 1
    most = _MOST_BLOBS if isinstance(layer, Pulled) else most
    if not isinstance(found, list) or not 1 <= len(found) <= most:
        raise Unfit(f"its record names no blob, or more than {most}")
    return tuple(_blob(value, layer) for value in found)


def _blob(value: object, layer: Layer) -> Blob:
    try:
        blob = Blob(**value)  # type: ignore[arg-type]  # every field is checked below
    except TypeError as error:
        raise Unfit("its record is damaged") from error
    types = (GZIP_LAYER, _PLAIN_LAYER) if isinstance(layer, Pulled) else (GZIP_LAYER,)
    # of what others made no table is used, as when it is pulled from where it lies
    has_toc = blob.toc == "" if isinstance(layer, Pulled) else is_digest(blob.toc)
    good = (
        is_digest(blob.digest)
        and is_digest(blob.diff_id)
        and has_toc
        and _is_size(blob.size)
        and _is_size(blob.unpacked)
        and blob.media_type in types
    )
    if not good:
        raise Unfit("its record is damaged")
    return blob


def _descriptor(value: object) -> Descriptor:
    found: Json = value if isinstance(value, dict) else {}
    media_type, digest, size = found.get("mediaType"), found.get("digest"), found.get("size")
    if not (isinstance(media_type, str) and is_digest(digest) and _is_size(size)):
        raise Unfit("its manifest is damaged")
    return Descriptor(media_type, digest, size)


def _object(data: bytes, what: str) -> Json:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unfit(f"its {what} is no JSON") from error
    if not isinstance(found, dict):
        raise Unfit(f"its {what} is no JSON object")
    return found


def _is_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
