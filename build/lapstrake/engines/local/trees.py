"""Layers unpacked in the cache: what an overlay has below."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from lapstrake.engines.local import namespace
from lapstrake.layers.unpack import unpack
from lapstrake.store.records import Blob
from lapstrake.store.store import Store, writing

Json = dict[str, object]


def lower_trees(blobs: Sequence[Blob], store: Store) -> list[Path]:
    """The layers as folders, bottom to top; those not in the cache yet are unpacked into it."""
    return [_tree(blob, store) for blob in blobs]


def _tree(blob: Blob, store: Store) -> Path:
    tree = _place(store.tree(blob.diff_id))
    if tree.is_dir():
        return tree
    with store.locked(f"tree-{tree.name}"):
        if not tree.is_dir():
            with namespace.workspace(store, "tree") as work:
                arguments = {
                    "blob": str(store.blob(blob.digest)),
                    "staged": str(work / "tree"),
                    "into": str(tree),
                }
                namespace.perform("unpack", arguments)
    return tree


def _place(tree: Path) -> Path:
    """Where a tree lies: one made without root belongs to other ids than one made by root."""
    return tree.with_name(f"{tree.name}-{os.getuid()}") if namespace.is_rootless() else tree


def unpack_inside(arguments: Json, _: object) -> Json:
    """The job `unpack`: the layer `blob` by way of the folder `staged` to `into`."""
    staged, into = (Path(cast("str", arguments[name])) for name in ("staged", "into"))
    with writing(into.parent):
        staged.mkdir(mode=0o755)
    unpack(Path(cast("str", arguments["blob"])), staged)
    with writing(into.parent):
        staged.rename(into)
    return {}
