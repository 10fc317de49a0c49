"""Layers unpacked in the cache: what an overlay has below."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from lapstrake.engines.local import namespace
from lapstrake.layers.unpack import unpack
from lapstrake.store.intact import check_blobs
from lapstrake.store.records import Blob
from lapstrake.store.store import Store, writing

Json = dict[str, object]


def lower_trees(blobs: Sequence[Blob], store: Store) -> list[Path]:
    """The layers as folders, bottom to top; those not in the cache yet are unpacked into it."""
    trees = [(_place(store.tree(blob.diff_id)), blob) for blob in blobs]
    wanted = {tree: blob for tree, blob in trees if not tree.is_dir()}
    with contextlib.ExitStack() as locks:
        # always in one order, lest two processes wait for each other
        for tree in sorted(wanted):
            locks.enter_context(store.locked(f"tree-{tree.name}"))
        missing = {tree: blob for tree, blob in wanted.items() if not tree.is_dir()}
        if missing:
            _unpack(missing, store)
    return [tree for tree, _ in trees]


def unpacked_trees(blobs: Sequence[Blob], store: Store) -> list[Path]:
    """The same folders where all of them are there; none where one isn't."""
    trees = [_place(store.tree(blob.diff_id)) for blob in blobs]
    return trees if all(tree.is_dir() for tree in trees) else []


def _unpack(missing: Mapping[Path, Blob], store: Store) -> None:
    check_blobs(missing.values(), store)
    with namespace.workspace(store, "trees") as work:
        layers = [
            {
                "blob": str(store.blob(blob.digest)),
                "staged": str(work / tree.name),
                "into": str(tree),
            }
            for tree, blob in missing.items()
        ]
        namespace.perform("unpack", {"layers": layers})


def _place(tree: Path) -> Path:
    """Where a tree lies: one made without root belongs to other ids than one made by root."""
    return tree.with_name(f"{tree.name}-{os.getuid()}") if namespace.is_rootless() else tree


def unpack_inside(arguments: Json, _: object) -> Json:
    """The job `unpack`: each layer's `blob` by way of the folder `staged` to `into`."""
    for layer in cast("list[dict[str, str]]", arguments["layers"]):
        staged, into = Path(layer["staged"]), Path(layer["into"])
        with writing(into.parent):
            staged.mkdir()
            staged.chmod(0o755)
        unpack(Path(layer["blob"]), staged)
        with writing(into.parent):
            staged.rename(into)
    return {}
