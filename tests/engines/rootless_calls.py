"""What `as_user.User.call` runs: whole builds, in a cache of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lapstrake.engines.local import namespace
from lapstrake.engines.local.bootstrap import bootstrap
from lapstrake.engines.local.run import run_layer
from lapstrake.layers.kinds import Bootstrap, Run
from lapstrake.store.records import Blob
from lapstrake.store.store import Store


def problem() -> str:
    """What stands against making namespaces."""
    found = namespace.problem()
    return f"{found.message} | {found.hint}" if found else ""


def build_root(cache: Path, layer: Bootstrap, debs: Mapping[str, Path]) -> tuple[Blob, ...]:
    """A bootstrapped root."""
    return bootstrap(layer, debs, Store(cache), lambda _: None)


def build_run(
    cache: Path, layer: Run, below: Path, blob: Blob, debs: Mapping[str, Path]
) -> tuple[Blob, list[str]]:
    """A `Run` layer over one blob; and what its cache's temporary folder holds afterwards."""
    store = Store(cache)
    if not store.holds(blob):
        store.blob(blob.digest).write_bytes(below.read_bytes())
    (built,) = run_layer(layer, [blob], debs, store, lambda _: None)
    left = [path.name for path in (store.root / "tmp").iterdir()]
    namespace.remove([store.root / "trees"])
    return built, left
