"""A release on this machine alone: a registry and an index on loopback, which keep it in dist/."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lapstrake.registry.repository import Repository
from lapstrake_release.indexes.model import Index
from lapstrake_release.snapshot.index import serve_index
from lapstrake_release.snapshot.registry import serve_registry
from lapstrake_release.targets import Targets


def snapshot_folder(dist: Path) -> Path:
    """Where a snapshot keeps what it was given, and its journal."""
    return dist / "release-snapshot"


@contextlib.contextmanager
def loopback(dist: Path, family: str) -> Iterator[Targets]:
    """Targets on loopback as long as the context lasts; what they are given stays in dist/.

    Raises:
        UserError: docker-registry is not installed, or doesn't start.
    """
    folder = snapshot_folder(dist)
    with serve_registry(folder / "registry") as host, serve_index(folder / "index") as url:
        index = Index("snapshot", url, f"{url}simple/")
        yield Targets((Repository(host, family),), (index,))
