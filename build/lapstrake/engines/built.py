"""What was built from source archives, as the cache keeps it."""

from __future__ import annotations

from pathlib import Path

from lapstrake.layers.kinds import BuiltWheel, Layer
from lapstrake.plan.model import own_wheels
from lapstrake.store.store import Store


def built_place(built: BuiltWheel, store: Store) -> Path:
    """The folder of what is built of a source archive."""
    return store.wheel(built.key, "wheel").parent


def built_wheel(built: BuiltWheel, store: Store) -> Path | None:
    """The wheel, where it was built; a project's only together with its source archive."""
    place = built_place(built, store)
    if built.own and built_sdist(built, store) is None:
        return None
    return only_file(place, "*.whl")


def built_sdist(built: BuiltWheel, store: Store) -> Path | None:
    """The source archive that was built of one of the repository's own projects."""
    return only_file(built_place(built, store), "*.tar.gz")


def is_complete(layer: Layer, store: Store) -> bool:
    """Whether all is there that a layer leaves besides its blobs: wheels that are released."""
    return all(built_wheel(w, store) is not None for w in own_wheels(layer))


def only_file(folder: Path, pattern: str) -> Path | None:
    """The one file of a folder that a pattern matches; no link, which could lead anywhere."""
    found = sorted(path for path in folder.glob(pattern) if not path.is_symlink())
    return found[0] if len(found) == 1 else None
