"""Packages and commands, run over the layers below; what they change is the layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lapstrake.engines.local import namespace
from lapstrake.engines.local.chroot import root_arguments
from lapstrake.engines.local.inflated import packages
from lapstrake.engines.local.repository import link_file
from lapstrake.engines.local.settings import network_settings
from lapstrake.engines.local.trees import lower_trees
from lapstrake.layers.kinds import Run
from lapstrake.store.records import Blob
from lapstrake.store.store import Store

Json = dict[str, object]
Tick = Callable[[int], None]


def run_layer(
    layer: Run, below: Sequence[Blob], debs: Mapping[str, Path], store: Store, tick: Tick
) -> tuple[Blob, ...]:
    """Install packages and run commands over layers; one blob, adopted by the store.

    Args:
        layer: the packages and commands.
        below: the layers' blobs, bottom to top.
        debs: where each package lies, by `Deb.filename`.
        store: has the blobs, and takes the new one.
        tick: called with the number of compressed bytes just written.

    Raises:
        UserError: a command fails; with its exit code and the last lines that it printed.
    """
    lowers = lower_trees(below, store)
    with namespace.workspace(store, "run") as work:
        (work / "packages").mkdir()
        for deb, package in zip(layer.debs, packages(layer.debs, debs, store), strict=True):
            link_file(package.path, work / "packages" / f"{deb.name}_{deb.arch}.deb")
        arguments = root_arguments(lowers, work, network_settings()) | {
            "scripts": list(layer.scripts),
            "env": dict(layer.env),
            "epoch": layer.epoch,
        }
        blob = Blob(**namespace.perform("run", arguments, tick))  # type: ignore[arg-type]
        store.adopt(work / "layer", blob.digest)
    return (blob,)
