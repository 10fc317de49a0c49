"""The facts of images that only a registry has: what their manifests and configs tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lapstrake.definition.repository import Repository as Definition
from lapstrake.inspect.images import Image as Inspected
from lapstrake.plan.tags import release_tag
from lapstrake_release.page.before import Side
from lapstrake_release.page.facts import Image, Layer, PageFacts
from lapstrake_release.page.gather import distinct, own_bytes

_DESCRIPTION = "org.opencontainers.image.description"


def gather(version: str, definition: Definition, side: Side, folder: Path) -> PageFacts:
    """The facts of a version; nothing is known of checks, services and unpacked sizes.

    Args:
        version: what the page calls it, and its tags begin with.
        definition: of the family.
        side: the images.
        folder: the layout that `side` was read into.
    """
    # what others extend has fewer layers than they
    found = sorted(side.images.values(), key=lambda i: (len(i.layers), i.name))
    layers = distinct([(i.name, [_layer(x) for x in _rows(i)]) for i in found])
    number = {x.digest: at for at, x in enumerate(layers)}
    first: Mapping[str, Any] = found[0].config if found else {}
    return PageFacts(
        family=definition.family.name,
        version=version,
        platform=f"{first.get('os', '')}/{first.get('architecture', '')}".strip("/"),
        epoch=_seconds(str(first.get("created", ""))),
        engine="",
        lapstrake="",
        images=tuple(_image(i, version, definition, layers, number, folder) for i in found),
        layers=layers,
        checked=False,
    )


def _rows(image: Inspected) -> list[tuple[str, str, str, int]]:
    return [(x.digest, x.kind, x.title, x.size) for x in image.layers]


def _layer(row: tuple[str, str, str, int]) -> Layer:
    digest, kind, title, size = row
    return Layer(digest, kind, title, size, 0, ())


def _image(
    image: Inspected,
    version: str,
    definition: Definition,
    layers: tuple[Layer, ...],
    number: Mapping[str, int],
    folder: Path,
) -> Image:
    manifest = folder / "blobs" / "sha256" / image.digest.removeprefix("sha256:")
    config = json.loads(manifest.read_bytes())["config"]
    known = image.name in definition.images
    return Image(
        name=image.name,
        description=image.annotations.get(_DESCRIPTION, ""),
        extends=None,
        digest=image.digest,
        config=str(config["digest"]),
        size=sum(x.size for x in image.layers) + int(config["size"]),
        own=own_bytes({x.digest for x in image.layers}, layers),
        layers=tuple(number[x.digest] for x in image.layers),
        budget=None,
        python=None,
        services=(),
        tags=(release_tag(definition, image.name, version),) if known else (),
        pulls=(),
        checks=None,
    )


def _seconds(created: str) -> int:
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return 0
