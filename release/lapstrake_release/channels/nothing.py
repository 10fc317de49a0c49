"""Taking tags away from what they hold, without touching that."""

from __future__ import annotations

import contextlib
import json

from lapstrake.registry.client import sha256_of
from lapstrake_release.beside.artifact import INDEX
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.names import Refused

TYPE = "application/vnd.lapstrake.channel.nothing.v1+json"


def give_nothing(registry: ChannelRegistry, tag: str, job: str) -> None:
    """Let a tag name an index of nothing, and remove it where the registry takes deletions.

    Whoever pulls it until then gets nothing, instead of an image of another version.
    """
    data = _nothing(tag, job)
    registry.put_index(tag, data)
    with contextlib.suppress(Refused):
        registry.delete(sha256_of(data))


def _nothing(tag: str, job: str) -> bytes:
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "artifactType": TYPE,
        "manifests": [],
        "annotations": {
            "org.opencontainers.image.title": f"{tag} holds nothing",
            "vnd.lapstrake.channel.job": job,
        },
    }
    return json.dumps(index, sort_keys=True, separators=(",", ":")).encode()
