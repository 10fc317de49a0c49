"""Taking tags away from what they hold, without touching that."""

from __future__ import annotations

import contextlib
import json

from lapstrake.registry.client import MANIFEST, sha256_of
from lapstrake_release.beside.artifact import EMPTY, EMPTY_TYPE
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.names import Refused

TYPE = "application/vnd.lapstrake.channel.nothing.v1+json"


def give_nothing(registry: ChannelRegistry, tag: str, job: str) -> None:
    """Let a tag name an artifact about nothing; remove it where the registry takes deletions.

    Whoever pulls it until then gets nothing, instead of an image of another version.
    """
    data = _nothing(tag, job)
    registry.upload(sha256_of(EMPTY), EMPTY)
    registry.put_manifest(tag, data)
    with contextlib.suppress(Refused):
        registry.delete(sha256_of(data))


def _nothing(tag: str, job: str) -> bytes:
    empty = {"mediaType": EMPTY_TYPE, "digest": sha256_of(EMPTY), "size": len(EMPTY)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": TYPE,
        "config": empty,
        "layers": [empty],
        "annotations": {
            "org.opencontainers.image.title": f"{tag} holds nothing",
            "vnd.lapstrake.channel.job": job,
        },
    }
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
