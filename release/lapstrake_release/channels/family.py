"""The images of a version, with their manifests, as one repository has them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from lapstrake.definition.repository import Repository as Definition
from lapstrake.errors import UserError
from lapstrake.registry.client import MANIFEST, sha256_of
from lapstrake.version import Version, version_or_none
from lapstrake_release.channels.record import Held
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.channels.settings import suffix_of
from lapstrake_release.published import published

_VERSION = "org.opencontainers.image.version"


@dataclass(frozen=True)
class Family:
    """All images of a version; `manifests` by digest."""

    version: Version
    images: tuple[Held, ...]
    manifests: dict[str, bytes]

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each image, by suffix."""
        return {i.suffix: i.digest for i in self.images}


def read_family(
    registry: ChannelRegistry,
    definition: Definition,
    version: Version,
    without: Collection[str] = (),
) -> Family:
    """Read all images of a version.

    Args:
        without: images of the definition that this version needn't have.

    Raises:
        UserError: there is no such version, it lacks an image, or a tag holds something else.
    """
    for name in without:
        definition.image(name)
    wanted = [n for n in definition.images if n not in without]
    tags = {n: f"{version.ours}{suffix_of(definition, n)}" for n in wanted}
    found = dict(
        zip(wanted, registry.each([tags[n] for n in wanted], registry.holder), strict=True)
    )
    if not any(found.values()):
        # it knows best what there is instead
        published(registry, definition, version)
    missing = [n for n in wanted if found[n] is None and n in definition.default]
    if missing:
        others = f", nor {', '.join(tags[n] for n in missing[1:])}" if missing[1:] else ""
        raise UserError(
            f"{registry.repository} has no {tags[missing[0]]}{others}",
            f"release {version} whole, or leave images out with --without {missing[0]}",
        )
    there = {n: data for n, data in found.items() if data is not None}
    images = [
        _held(n, suffix_of(definition, n), data, f"{registry.repository}:{tags[n]}", version)
        for n, data in there.items()
    ]
    manifests = {sha256_of(data): data for data in there.values()}
    return Family(version, tuple(sorted(images)), manifests)


def _held(name: str, suffix: str, manifest: bytes, place: str, version: Version) -> Held:
    said = _said(manifest)
    if "layers" not in said:
        raise UserError(f"{place} is no single image", "push the image itself, not an index")
    annotations = said.get("annotations") or {}
    own = version_or_none(str(annotations.get(_VERSION, version)))
    if own != version:
        raise UserError(
            f"{place} says of itself that it is {annotations[_VERSION]}",
            "something else was pushed there: look where it comes from",
        )
    media_type = str(said.get("mediaType") or MANIFEST)
    return Held(suffix, name, sha256_of(manifest), len(manifest), media_type)


def _said(manifest: bytes) -> dict[str, Any]:
    try:
        found = json.loads(manifest)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
