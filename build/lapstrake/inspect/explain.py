"""A built image, layer by layer: what lies in each, who shares it, why it was built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lapstrake.dist import Build, BuiltLayer
from lapstrake.inspect.contents import (
    LayerFile,
    Package,
    largest_folders,
    layer_packages,
    list_files,
    packages_of,
)
from lapstrake.plan.why import differences, flat
from lapstrake.store.contents import Known, read_contents
from lapstrake.store.records import LayerRecord
from lapstrake.store.store import Store

_FOLDERS = 5

# A list of reasons longer than this is cut: a person wants the first few.
_MOST = 8


@dataclass(frozen=True)
class LayerFacts:
    """One blob of an image.

    Attributes:
        layer: what dist/build.json says of it.
        files: its entries, folders left out.
        largest: folders or packages with the most bytes, those uncompressed.
        packages: which it brings, with their versions.
        shared: the other images of the build that have it, by name.
        why: why the last build made it; empty where it was there.
    """

    layer: BuiltLayer
    files: tuple[LayerFile, ...]
    largest: tuple[tuple[str, int], ...]
    packages: dict[Package, str]
    shared: tuple[str, ...]
    why: tuple[str, ...]


def explain(name: str, build: Build, dist: Path, store: Store | None) -> list[LayerFacts]:
    """The layers of the image `name`, bottom up.

    Args:
        name: an image of the build.
        build: what `dist`'s build.json says.
        dist: its folder.
        store: the cache that it was built with; reasons come out of its records.

    Raises:
        UserError: there is no such image, or a layer can't be read.
    """
    image = build.image(name)
    blobs = {x.digest: _blob(dist, x) for x in image.layers}
    packages = packages_of([blobs[x.digest] for x in image.layers])
    records = read_contents(store).records if store else ()
    facts = []
    for layer in image.layers:
        files = list_files(blobs[layer.digest])
        facts.append(
            LayerFacts(
                layer,
                files,
                tuple(largest_folders(files, _FOLDERS)),
                layer_packages(files, packages),
                _sharing(layer, name, build),
                reasons(layer, build, records),
            )
        )
    return facts


def _blob(dist: Path, layer: BuiltLayer) -> Path:
    return dist / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")


def _sharing(layer: BuiltLayer, name: str, build: Build) -> tuple[str, ...]:
    others = (i for i in build.images if i.name != name)
    return tuple(sorted(i.name for i in others if layer.digest in {x.digest for x in i.layers}))


def reasons(layer: BuiltLayer, build: Build, records: tuple[Known, ...]) -> tuple[str, ...]:
    """Why a layer was built: how its inputs differ from those of the layer that it replaced.

    That is the one of its kind, used last before this build, that is most like it.
    """
    if layer.state == "reused":
        return ()
    here = next((k for k in records if k.record and k.record.id == layer.id), None)
    if here is None or here.record is None:
        return ("built by the last build; the cache has no record of it any more",)
    now = {x.id for i in build.images for x in i.layers}
    old = _replaced(here, here.record, now, records)
    if old is None:
        return ("not built here before",)
    found = list(differences(old.inputs, here.record.inputs))
    if len(found) > _MOST:
        found[_MOST:] = [f"and {len(found) - _MOST} more"]
    return tuple(found) or ("made by another version of lapstrake",)


def _replaced(
    here: Known, record: LayerRecord, now: set[str], records: tuple[Known, ...]
) -> LayerRecord | None:
    candidates = [
        (likeness, k.record.title == record.title, k.used, k.record.id, k.record)
        for k in records
        if k.record is not None
        and k.record.kind == record.kind
        and k.record.id not in now
        and k.used <= here.used
        and ((likeness := _likeness(k.record, record)) > 0 or k.record.title == record.title)
    ]
    return max(candidates, key=lambda c: c[:4])[4] if candidates else None


def _likeness(old: LayerRecord, new: LayerRecord) -> float:
    """How much of what two layers are made of has the same name, whatever its version."""
    ours, theirs = ({k for k in flat(r.inputs) if "." in k} for r in (old, new))
    return len(ours & theirs) / max(len(ours | theirs), 1)
