"""An artifact about an image: a manifest whose `subject` is the image's, with one JSON document.

Its own tag is `_<kind>.<hex of the subject>.<first of its own hex>`: no two artifacts share one, so
that none is lost when two are written at once; it keeps the artifact from a registry's garbage
collection; and no image's tag begins with `_`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from lapstrake.errors import UserError
from lapstrake.registry.client import MANIFEST, is_digest, sha256_of

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"

# How much of an artifact's own digest its tag has.
_SHORT = 16

_TAG = re.compile(r"_(?P<kind>[a-z]+)\.(?P<subject>[0-9a-f]{64})\.(?P<own>[0-9a-f]{16})")

Json = dict[str, Any]


class Foreign(UserError):
    """What a registry has as an artifact of ours is none that we can read."""


@dataclass(frozen=True)
class Kind:
    """What artifacts there are of: `name` in their tags, `type` as their `artifactType`."""

    name: str
    type: str


@dataclass(frozen=True)
class Subject:
    """The image that an artifact is about, as a manifest names it."""

    media_type: str
    digest: str
    size: int

    @classmethod
    def of(cls, manifest: bytes) -> Subject:
        """That of an image's manifest."""
        said = json.loads(manifest)
        return cls(str(said.get("mediaType") or MANIFEST), sha256_of(manifest), len(manifest))


@dataclass(frozen=True)
class Artifact:
    """One artifact; `content` is its JSON document."""

    kind: Kind
    subject: Subject
    content: bytes
    created: str

    @property
    def manifest(self) -> bytes:
        """What is pushed; the same artifact has the same bytes."""
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": self.kind.type,
                "config": _descriptor(EMPTY_TYPE, EMPTY),
                "layers": [_descriptor(self.kind.type, self.content)],
                "subject": {
                    "mediaType": self.subject.media_type,
                    "digest": self.subject.digest,
                    "size": self.subject.size,
                },
                "annotations": {"org.opencontainers.image.created": self.created},
            },
            sort_keys=True,
            separators=(",", ":"),
        ).encode()

    @property
    def digest(self) -> str:
        """`sha256:…` of its manifest."""
        return sha256_of(self.manifest)

    @property
    def tag(self) -> str:
        """Its own tag."""
        return tag_of(self.kind, self.subject.digest, self.digest)


@dataclass(frozen=True, order=True)
class Tag:
    """What an artifact's tag says: its kind, the subject's digest, the first of its own hex."""

    kind: str
    subject: str
    own: str


def tag_of(kind: Kind, subject: str, digest: str) -> str:
    """The own tag of the artifact with a digest."""
    return f"_{kind.name}.{subject.removeprefix('sha256:')}.{short(digest)}"


def read_tag(name: str) -> Tag | None:
    """What the tag of an artifact says; None where a name is none."""
    found = _TAG.fullmatch(name)
    return Tag(found["kind"], f"sha256:{found['subject']}", found["own"]) if found else None


def fallback_tag(subject: str) -> str:
    """The tag of the index that lists what is about a digest, where a registry can't."""
    return subject.replace(":", "-")


def short(digest: str) -> str:
    """As much of a digest as tags have of it."""
    return digest.removeprefix("sha256:")[:_SHORT]


def is_about(manifest: Json, kind: Kind, subject: str) -> bool:
    """Whether a manifest is that of an artifact of a kind about a digest."""
    named = manifest.get("subject")
    about = named.get("digest") if isinstance(named, dict) else None
    return manifest.get("artifactType") == kind.type and about == subject


def content_of(manifest: Json) -> tuple[str, int]:
    """Digest and size of an artifact's document.

    Raises:
        Foreign: it has none, or several.
    """
    layers = manifest.get("layers")
    if isinstance(layers, list) and len(layers) == 1 and isinstance(layers[0], dict):
        digest, size = layers[0].get("digest"), layers[0].get("size")
        if is_digest(digest) and isinstance(size, int) and size >= 0:
            return digest, size
    raise Foreign("it has no document, or several")


def descriptors_in(index: bytes) -> list[Json]:
    """What an index lists; nothing where it is none."""
    try:
        listed = json.loads(index)["manifests"]
    except (ValueError, LookupError, TypeError):
        return []
    found = listed if isinstance(listed, list) else []
    return [d for d in found if isinstance(d, dict) and is_digest(d.get("digest"))]


def index_of(descriptors: list[Json]) -> bytes:
    """An index that lists these, in their order."""
    value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def listed(manifest: bytes) -> Json:
    """An artifact as an index lists it."""
    said = json.loads(manifest)
    return {
        "mediaType": MANIFEST,
        "digest": sha256_of(manifest),
        "size": len(manifest),
        "artifactType": said.get("artifactType"),
        "annotations": said.get("annotations", {}),
    }


def _descriptor(media_type: str, data: bytes) -> Json:
    return {"mediaType": media_type, "digest": sha256_of(data), "size": len(data)}
