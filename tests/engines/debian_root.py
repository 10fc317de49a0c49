"""The root that tests of the local engine share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lapstrake.layers.kinds import Bootstrap
from lapstrake.lock.model import Deb
from lapstrake.store.records import Blob
from lapstrake.store.store import Store


@dataclass(frozen=True)
class Debian:
    """A root of Debian packages, and some packages that aren't in it yet."""

    store: Store
    layer: Bootstrap
    debs: dict[str, Path]
    blob: Blob
    more: tuple[Deb, ...]
    more_files: dict[str, Path]
