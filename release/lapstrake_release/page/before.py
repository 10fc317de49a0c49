"""What came before: an earlier build, and how this one differs from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lapstrake.errors import UserError
from lapstrake.guest.system import SBOM
from lapstrake.inspect.compare import pair_layers
from lapstrake.inspect.contents import Package, PackageChange, package_changes, read_file
from lapstrake.inspect.images import Image as Inspected
from lapstrake.inspect.images import LayerBlob, open_place
from lapstrake_release import scan
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.page.facts import Changes, ImageChange, LayerChange

# The layer that carries the bill of materials is called so, by whatever build.
_SYSTEM = "system:"
_SYSTEMS = {"deb": "debian", "pypi": "python"}

# Fetches a layer's blob where it isn't there yet; the file that it lies in then.
Fetch = Callable[[LayerBlob], Path]


@dataclass(frozen=True)
class Side:
    """The images of one build, by name; `fetch` makes sure that a layer's blob can be read."""

    images: Mapping[str, Inspected]
    fetch: Fetch


def folder(path: Path) -> Side:
    """A build in a folder.

    Raises:
        UserError: it holds none.
    """
    place = open_place(str(path), path, path, path)
    return Side(place.images, lambda layer: layer.blob)


def differences(against: str, before: Side, now: Side) -> Changes:
    """How the images of a build differ from those before it; in the order of the build.

    Raises:
        UserError: a bill of materials can't be read.
    """
    both = [n for n in now.images if n in before.images]
    return Changes(
        against,
        tuple(_change(n, before, now) for n in both),
        added=tuple(n for n in now.images if n not in before.images),
        removed=tuple(n for n in before.images if n not in now.images),
    )


def with_risks(changes: Changes, registry: Referrers) -> Changes:
    """The changes, with what the last scans that a registry has say of both sides.

    Raises:
        UserError: it can't be reached, or findings can't be read.
    """
    changed = [i for i in changes.images if not i.equal]
    found = scan.latest_of_all(registry, {d for i in changed for d in (i.digest_before, i.digest)})

    def told(image: ImageChange) -> ImageChange:
        old, new = found.get(image.digest_before), found.get(image.digest)
        return image if old is None or new is None else replace(image, risks=scan.compare(old, new))

    return replace(changes, images=tuple(map(told, changes.images)), scans=True)


def _change(name: str, before: Side, now: Side) -> ImageChange:
    a, b = before.images[name], now.images[name]
    same = a.digest == b.digest
    return ImageChange(
        name,
        a.digest,
        b.digest,
        size_of(a),
        size_of(b),
        () if same else _packages(_bill(a, before.fetch), _bill(b, now.fetch)),
        () if same else _layers(a, b),
    )


def size_of(image: Inspected) -> int:
    """Compressed bytes of an image's layers."""
    return sum(x.size for x in image.layers)


def _layers(a: Inspected, b: Inspected) -> tuple[LayerChange, ...]:
    """New layers in their order, each after the one that it stands for; the rest is gone."""
    pairs = {y.digest: x for x, y in pair_layers(a.layers, b.layers)}
    known, still = {x.digest for x in a.layers}, {y.digest for y in b.layers}
    found: list[LayerChange] = []
    told: set[str] = set()
    for layer in b.layers:
        if layer.digest in known:
            continue
        if old := pairs.get(layer.digest):
            told.add(old.digest)
            found.append(LayerChange(old.title, old.digest, old.size, gone=True))
        found.append(LayerChange(layer.title, layer.digest, layer.size, gone=False))
    found += [
        LayerChange(x.title, x.digest, x.size, gone=True)
        for x in a.layers
        if x.digest not in still | told
    ]
    return tuple(found)


def _packages(
    a: Mapping[Package, str] | None, b: Mapping[Package, str] | None
) -> tuple[PackageChange, ...] | None:
    return None if a is None or b is None else package_changes(a, b)


def _bill(image: Inspected, fetch: Fetch) -> dict[Package, str] | None:
    """What an image says that it was made from; None where it says nothing."""
    for layer in reversed(image.layers):
        if layer.title.startswith(_SYSTEM):
            data = read_file(fetch(layer), SBOM.strip("/"))
            if data is not None:
                return _named(data, image.name)
    return None


def _named(data: bytes, image: str) -> dict[Package, str]:
    """The packages of a bill, each with its versions; what no package manager knows is left out."""
    found: dict[Package, set[str]] = {}
    try:
        for package in json.loads(data)["packages"]:
            kind = _kind(package)
            if kind is not None:
                key = Package(_SYSTEMS.get(kind, kind), str(package["name"]))
                found.setdefault(key, set()).add(str(package["versionInfo"]))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UserError(
            f"{image}: its {SBOM} is no list of packages that can be read", "build it again"
        ) from None
    return {p: ", ".join(sorted(v)) for p, v in found.items()}


def _kind(package: Mapping[str, Any]) -> str | None:
    """`deb` or `pypi`, as the package's URL (purl) says; None where it has none."""
    urls = [str(r.get("referenceLocator", "")) for r in package.get("externalRefs", ())]
    found = [u.removeprefix("pkg:").partition("/")[0] for u in urls if u.startswith("pkg:")]
    return found[0] if found else None
