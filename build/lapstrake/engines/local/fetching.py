"""What a build fetches: steps of their own, before those that need it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lapstrake import process
from lapstrake.engines.schedule import Task
from lapstrake.layers.kinds import Bootstrap, BuiltWheel, Layer, Run, Wheels
from lapstrake.lock.model import Deb, Wheel
from lapstrake.report.progress import Progress
from lapstrake.store.intact import check_file
from lapstrake.store.store import Store, file_system_errors

# What fetches is imported where something is missing: a build with nothing to do is over sooner
# than those imports.

# A bootstrap is one long processor-bound step that others wait for: its packages come first.
_DEBS_WEIGHT = 1 << 61
_WHEELS_WEIGHT = 1 << 59


class Fetching:
    """The downloads of one build.

    Args:
        store: where they go.
        progress: shows them.
        platform: whose wheels they are, `linux/amd64`.
    """

    def __init__(self, store: Store, progress: Progress, platform: str) -> None:
        self._store = store
        self._progress = progress
        self._platform = platform
        self._fetched: set[str] = set()

    def wheel_tasks(self, layers: Iterable[Layer]) -> Iterator[Task]:
        """The steps that fetch the layers' wheels."""
        for key, batch in _batches(layers).items():
            work = functools.partial(self._fetch_wheels, batch)
            yield Task(key, work, frozenset(), _WHEELS_WEIGHT)

    def deb_tasks(self, layers: Iterable[Layer]) -> Iterator[Task]:
        """The steps that fetch the layers' packages, under the names that `debs_key` tells."""
        for layer in layers:
            if isinstance(layer, Bootstrap | Run) and layer.debs:
                work = functools.partial(self._fetch_debs, layer)
                weight = _DEBS_WEIGHT if isinstance(layer, Bootstrap) else _DEBS_WEIGHT - 1
                yield Task(debs_key(layer), work, frozenset(), weight)

    def wheel(self, wheel: Wheel) -> Path:
        """A wheel's file; hashed again unless that has just been done."""
        path = self._store.wheel(wheel.sha256, wheel.filename)
        if wheel.sha256 not in self._fetched:
            check_file(path, wheel.sha256)
        return path

    def debs(self, layer: Bootstrap | Run) -> dict[str, Path]:
        """Where a layer's packages lie, by `Deb.filename`."""
        return {deb.filename: self._store.deb(deb.sha256) for deb in layer.debs}

    def _fetch_debs(self, layer: Bootstrap | Run) -> None:
        with self._locked(layer.debs):
            lacking = [d for d in layer.debs if not self._store.deb(d.sha256).is_file()]
            if lacking:
                self._fetch_lacking_debs(layer, lacking)

    def _fetch_lacking_debs(self, layer: Bootstrap | Run, lacking: list[Deb]) -> None:
        from lapstrake.fetch.debs import fetch_debs

        roots = [layer] if isinstance(layer, Bootstrap) else layer.below
        # over a root that was pulled, each package tells its own suite
        root = next((r for r in roots if isinstance(r, Bootstrap)), None)
        suite, components = (root.suite, root.components) if root else ("", ())
        key = debs_key(layer)
        tick = self._tick(key)
        title = f"fetch  {len(lacking)} Debian packages"
        with self._progress.step(key, title, sum(d.size for d in lacking)):
            fetch_debs(lacking, suite, components, self._store, lambda _, n: tick(n))

    def _fetch_wheels(self, batch: _Batch) -> None:
        with self._locked(batch.wheels):
            lacking = [
                w for w in batch.wheels if not self._store.wheel(w.sha256, w.filename).is_file()
            ]
            if lacking:
                self._fetch_lacking_wheels(batch, lacking)

    def _fetch_lacking_wheels(self, batch: _Batch, lacking: list[Wheel]) -> None:
        from lapstrake.fetch.wheels import fetch_wheels

        key = f"wheels of {lacking[0].sha256}"
        tick = self._tick(key)
        title = f"fetch  {len(lacking)} wheels"
        with self._progress.step(key, title, sum(w.size for w in lacking)):
            fetch_wheels(
                lacking,
                self._store,
                batch.python,
                batch.glibc,
                self._platform,
                lambda _, n: tick(n),
            )
        self._fetched |= {w.sha256 for w in lacking}

    @contextlib.contextmanager
    def _locked(self, files: Iterable[Deb | Wheel]) -> Iterator[None]:
        """Builds that need the same files wait for whichever came first."""
        name = hashlib.sha256("".join(f.sha256 for f in files).encode()).hexdigest()
        with self._store.locked(f"fetch-{name}"), file_system_errors(self._store.root):
            yield

    def _tick(self, key: str) -> Callable[[int], None]:
        def tick(count: int) -> None:
            process.check_stopped()
            self._progress.advance(key, count)

        return tick


def debs_key(layer: Layer) -> str:
    """The name of the step that fetches a layer's packages."""
    return f"debs of {layer.id}"


class _Batch:
    """Wheels that are looked up together: for one Python, no two of one name."""

    def __init__(self, python: str, glibc: str) -> None:
        self.python = python
        self.glibc = glibc
        self._wheels: dict[str, Wheel] = {}

    @property
    def wheels(self) -> list[Wheel]:
        return [self._wheels[n] for n in sorted(self._wheels)]

    def takes(self, wheel: Wheel) -> bool:
        """Whether it has room for a wheel, which it then holds."""
        return self._wheels.setdefault(wheel.name, wheel) == wheel


def _batches(layers: Iterable[Layer]) -> dict[str, _Batch]:
    """The wheels of all layers, in as few batches as their names allow."""
    batches: dict[str, _Batch] = {}
    for layer in sorted((x for x in layers if isinstance(x, Wheels)), key=lambda x: x.id):
        for wheel in files_of(layer):
            number = 0
            while True:
                key = f"wheels {layer.python} {layer.glibc} {number}"
                if batches.setdefault(key, _Batch(layer.python, layer.glibc)).takes(wheel):
                    break
                number += 1
    return batches


def files_of(layer: Wheels) -> Iterator[Wheel]:
    """What is fetched for a layer: its wheels, source archives, and what builds those.

    Those of the repository's own projects are here already.
    """
    for wheel in layer.wheels:
        if isinstance(wheel, BuiltWheel):
            yield from () if wheel.own else (wheel.source,)
            yield from wheel.tools
        else:
            yield wheel
