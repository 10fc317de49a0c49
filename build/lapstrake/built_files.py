"""The wheels and source archives that a build leaves besides its images."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from lapstrake.dist import BuiltFile
from lapstrake.engines.built import built_sdist, built_wheel
from lapstrake.errors import UserError
from lapstrake.layers.kinds import BuiltWheel
from lapstrake.plan.model import Plan, own_wheels
from lapstrake.store.store import Store, write_staged

# A file as dist/ is to have it, and where it lies in the cache.
Placed = tuple[BuiltFile, Path]


def keep_archives(plan: Plan, store: Store) -> None:
    """Have the source archives of the repository's own projects in the cache.

    Raises:
        UserError: the cache can't be written.
    """
    for archive in plan.archives:
        path = store.wheel(archive.wheel.sha256, archive.wheel.filename)
        if not path.is_file():
            write_staged(path, archive.data)


def built_files(plan: Plan, store: Store) -> tuple[Placed, ...]:
    """The files of the projects that the plan's images have, once its layers are built.

    Raises:
        UserError: images have different wheels of one project under one name.
    """
    layers: dict[str, set[str]] = defaultdict(set)
    images: dict[str, set[str]] = defaultdict(set)
    wheels: dict[str, BuiltWheel] = {}
    for image in plan.images:
        for layer in image.layers:
            for wheel in own_wheels(layer):
                wheels[wheel.key] = wheel
                layers[wheel.key].add(layer.id)
                images[wheel.key].add(image.name)
    found = [
        (_file(wheels[key], path, layers[key], images[key]), path)
        for key in wheels
        for path in (built_wheel(wheels[key], store), built_sdist(wheels[key], store))
        if path is not None
    ]
    return _distinct(sorted(found, key=lambda f: (f[0].kind, f[0].name, f[0].images)))


def _file(wheel: BuiltWheel, path: Path, layers: Iterable[str], images: Iterable[str]) -> BuiltFile:
    data = path.read_bytes()
    return BuiltFile(
        kind="wheel" if path.suffix == ".whl" else "sdist",
        name=path.name,
        project=wheel.name,
        version=wheel.source.version,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        layers=tuple(sorted(layers)),
        images=tuple(sorted(images)),
    )


def _distinct(files: Iterable[Placed]) -> tuple[Placed, ...]:
    """Each file once: images over different roots may have the same one."""
    found: dict[str, Placed] = {}
    for file, path in files:
        before = found.get(file.name)
        if before is None:
            found[file.name] = file, path
            continue
        if before[0].sha256 != file.sha256:
            one, other = before[0].images[0], file.images[0]
            raise UserError(
                f"{file.name} is not the same in {one} and in {other}, which have different roots",
                "begin both images from one root: a version has one wheel of a name",
            )
        both = {
            "layers": tuple(sorted({*before[0].layers, *file.layers})),
            "images": tuple(sorted({*before[0].images, *file.images})),
        }
        found[file.name] = before[0].model_copy(update=both), path
    return tuple(found.values())
