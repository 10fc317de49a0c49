"""Images that a registry has of an earlier version, or in a channel, to compare a build with."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lapstrake.definition.repository import Repository as Definition
from lapstrake.errors import UserError
from lapstrake.inspect.images import LayerBlob
from lapstrake.store.scratch import claimed_file
from lapstrake.store.store import write_staged
from lapstrake.version import Version, version_or_none
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.channels.state import read_channel
from lapstrake_release.page import before
from lapstrake_release.page.facts import PageFacts
from lapstrake_release.published import published, versions_in

_NAME = "org.opencontainers.image.ref.name"

# The digest of each image, by its name.
Digests = Mapping[str, str]


def version_before(
    facts: PageFacts, definition: Definition, registry: ChannelRegistry
) -> Version | None:
    """The newest version below the page's that the registry has: a final one, or one of its kind.

    Raises:
        UserError: the registry can't be reached.
    """
    now = version_or_none(facts.version)
    if now is None:
        return None
    there = versions_in(registry.names(), definition)
    return next((v for v in there if v < now and v.kind in {"final", now.kind}), None)


def of_version(version: Version, definition: Definition, registry: ChannelRegistry) -> Digests:
    """The images of a version.

    Raises:
        UserError: there is no such version, or the registry can't be reached.
    """
    return {p.image: p.digest for p in published(registry, definition, version)}


def of_channel(name: str, registry: ChannelRegistry) -> tuple[str, Digests]:
    """What a channel holds now: its version, and its images.

    Raises:
        UserError: it holds nothing, or the registry can't be reached.
    """
    standing = read_channel(registry, name)
    images = standing.last.images if standing.last else ()
    found = {i.name: d for i in images if (d := standing.now[i.suffix])}
    if not found:
        raise UserError(
            f"{registry.repository} has nothing in {name}",
            f"`lapstrake promote VERSION --to {name}` puts a version there",
        )
    return standing.version, found


def side(images: Digests, registry: ChannelRegistry, dist: Path, scratch: Path) -> before.Side:
    """Images of a registry as a build to compare with.

    Manifests and configs are fetched at once; a layer only where something in it is asked for.

    Args:
        images: which.
        dist: a build that may have the same layers.
        scratch: an empty folder.

    Raises:
        UserError: one of them can't be read, or the registry can't be reached.
    """
    blobs = scratch / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    named = sorted(images.items())
    manifests = registry.each(named, lambda x: _manifest(*x, registry, blobs))
    index = json.dumps({"schemaVersion": 2, "manifests": manifests})
    write_staged(scratch / "index.json", index.encode())

    def fetch(layer: LayerBlob) -> Path:
        here = dist / "blobs" / "sha256" / layer.blob.name
        if here.is_file():
            return here
        if not layer.blob.exists():
            _download(layer, registry)
        return layer.blob

    return replace(before.folder(scratch), fetch=fetch)


def _manifest(name: str, digest: str, registry: ChannelRegistry, blobs: Path) -> dict[str, Any]:
    """Keep an image's manifest and config; the manifest's descriptor."""
    data = registry.manifest(digest) or b""
    try:
        config: Any = json.loads(data)["config"]
        config_digest, size = str(config["digest"]), int(config["size"])
    except (ValueError, LookupError, TypeError):
        raise UserError(f"{registry.repository}@{digest} is no image") from None
    _keep(blobs, digest, data)
    _keep(blobs, config_digest, registry.small_blob(config_digest, size))
    return {"digest": digest, "annotations": {_NAME: name}}


def _keep(blobs: Path, digest: str, data: bytes) -> None:
    path = blobs / digest.removeprefix("sha256:")
    if not path.exists():
        write_staged(path, data)


def _download(layer: LayerBlob, registry: ChannelRegistry) -> None:
    handle, staged = claimed_file(layer.blob.parent, ".layer-")
    try:
        with os.fdopen(handle, "w+b") as file:
            registry.download(layer.digest, layer.size, file)
        staged.replace(layer.blob)
    finally:
        staged.unlink(missing_ok=True)
