"""The local engine: no daemon, no Docker; as root, or as an ordinary user."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lapstrake import process
from lapstrake.engines.model import Outcome
from lapstrake.engines.schedule import Task, run_tasks
from lapstrake.layers.kinds import (
    Bootstrap,
    BuiltWheel,
    Copy,
    Files,
    Layer,
    Pulled,
    Run,
    Wheels,
)
from lapstrake.lock.model import Wheel
from lapstrake.plan.model import Plan, direct_needs
from lapstrake.report.progress import Progress
from lapstrake.store.intact import check_file
from lapstrake.store.records import Blob, LayerRecord
from lapstrake.store.store import Store, file_system_errors

# What builds and fetches is imported where something is missing: a build with nothing to do is
# over sooner than those imports.

# A bootstrap is one long processor-bound step that others wait for: it starts first.
_WEIGHTS = {"root": 1 << 60, "run": 1 << 50, "copy": 1 << 40, "wheels": 0, "files": 0}
_FETCH_WEIGHT = 1 << 59


class LocalEngine:
    """Builds layers on this machine."""

    name = "local"

    def build(self, plan: Plan, store: Store, progress: Progress, jobs: int) -> dict[str, Outcome]:
        """See `Engine.build`."""
        return _Build(plan, store, progress).run(jobs)


class _Build:
    """One build: which layers are missing, and what became of each."""

    def __init__(self, plan: Plan, store: Store, progress: Progress) -> None:
        self.plan = plan
        self.store = store
        self.progress = progress
        self.outcomes: dict[str, Outcome] = {}
        self.fetched: set[str] = set()

    def run(self, jobs: int) -> dict[str, Outcome]:
        missing = self._missing()
        run_tasks(self._tasks(missing), jobs)
        return self.outcomes

    def _missing(self) -> dict[str, Layer]:
        """The layers that the images lack, and what is missing to build those."""
        missing: dict[str, Layer] = {}
        stack = [layer for image in self.plan.images for layer in image.layers]
        while stack:
            layer = stack.pop()
            if layer.id in missing or layer.id in self.outcomes:
                continue
            record = self.store.record(layer.id)
            if record is None:
                missing[layer.id] = layer
                stack += direct_needs(layer)
            else:
                self.outcomes[layer.id] = Outcome(record, "reused")
        return missing

    def _tasks(self, missing: dict[str, Layer]) -> Iterator[Task]:
        fetches = _fetches(missing.values())
        for key, batch in fetches.items():
            yield Task(
                key, functools.partial(self._fetch_wheels, batch), frozenset(), _FETCH_WEIGHT
            )
        for layer in missing.values():
            after = {n.id for n in direct_needs(layer) if n.id in missing}
            if isinstance(layer, Wheels):
                after |= fetches.keys()
            weight = _WEIGHTS[layer.kind] + _bytes_of(layer)
            yield Task(layer.id, functools.partial(self._layer, layer), frozenset(after), weight)

    def _layer(self, layer: Layer) -> None:
        """Build one layer, unless another process has done so while we waited for its lock."""
        process.check_stopped()
        with self.store.locked(layer.id), file_system_errors(self.store.root):
            record = self.store.record(layer.id)
            if record is None:
                record = self._built(layer)
                self.store.commit(record)
                self.outcomes[layer.id] = Outcome(record, "built")
            else:
                self.outcomes[layer.id] = Outcome(record, "reused")

    def _built(self, layer: Layer) -> LayerRecord:
        began = time.monotonic()
        with self.progress.step(layer.id, f"{layer.kind:<6} {layer.title}", _bytes_of(layer)):
            blobs, config = self._blobs(layer)
        seconds = round(time.monotonic() - began, 3)
        return LayerRecord(
            id=layer.id,
            kind=layer.kind,
            title=layer.title,
            blobs=blobs,
            inputs=layer.inputs(),
            seconds=seconds,
            config=config,
        )

    def _blobs(self, layer: Layer) -> tuple[tuple[Blob, ...], dict[str, object]]:
        tick = self._tick(layer.id)
        if isinstance(layer, Bootstrap):
            from lapstrake.engines.local.bootstrap import bootstrap

            return bootstrap(layer, self._fetch_debs(layer), self.store, tick), {}
        if isinstance(layer, Pulled):
            from lapstrake.engines.local.pulled import pull_root

            return pull_root(layer, self.store)
        if isinstance(layer, Run):
            from lapstrake.engines.local.run import run_layer

            below = self._blobs_of(layer.below)
            return run_layer(layer, below, self._fetch_debs(layer), self.store, tick), {}
        if isinstance(layer, Copy):
            from lapstrake.engines.local.copy import copy_layer

            return copy_layer(layer, self._blobs_of(layer.layers), self.store), {}
        if isinstance(layer, Wheels):
            from lapstrake.layers.wheels_layer import write_wheels

            paths = {w.name: self._wheel(w) for w in layer.wheels}
            return self._written(lambda out: write_wheels(layer, paths, out, tick)), {}
        if isinstance(layer, Files):
            from lapstrake.layers.files_layer import write_files

            return self._written(lambda out: write_files(layer, out)), {}
        msg = f"no builder for {layer.kind}"
        raise AssertionError(msg)

    def _written(self, write: Callable[[Path], Blob]) -> tuple[Blob, ...]:
        with self.store.scratch("layer") as folder:
            out = folder / "layer"
            blob = write(out)
            self.store.adopt(out, blob.digest)
        return (blob,)

    def _wheel(self, wheel: Wheel | BuiltWheel) -> Path:
        if isinstance(wheel, Wheel):
            return self._file(wheel)
        from lapstrake.engines.local.source_wheel import build_wheel

        tools = {t.name: self._file(t) for t in wheel.tools}
        source = self._file(wheel.source)
        return build_wheel(wheel, source, tools, self._blobs_of(wheel.root), self.store)

    def _file(self, wheel: Wheel) -> Path:
        """A wheel's file; hashed again unless that has just been done."""
        path = self.store.wheel(wheel.sha256, wheel.filename)
        if wheel.sha256 not in self.fetched:
            check_file(path, wheel.sha256)
        return path

    def _blobs_of(self, layers: Iterable[Layer]) -> list[Blob]:
        return [b for layer in layers for b in self.outcomes[layer.id].record.blobs]

    def _fetch_debs(self, layer: Bootstrap | Run) -> dict[str, Path]:
        if not layer.debs:
            return {}
        from lapstrake.fetch.debs import fetch_debs

        roots = [layer] if isinstance(layer, Bootstrap) else layer.below
        # over a root that was pulled, each package tells its own suite
        root = next((r for r in roots if isinstance(r, Bootstrap)), None)
        key = f"debs of {layer.id}"
        title = f"fetch  {len(layer.debs)} Debian packages"
        tick = self._tick(key)
        with self.progress.step(key, title, sum(d.size for d in layer.debs)):
            suite, components = (root.suite, root.components) if root else ("", ())
            return fetch_debs(layer.debs, suite, components, self.store, lambda _, n: tick(n))

    def _fetch_wheels(self, batch: _Batch) -> None:
        """Fetch what `batch` lacks; each then lies in its place in the store.

        Builds that need the same wheels wait for whichever came first.
        """
        with self.store.locked(f"fetch-{batch.id}"), file_system_errors(self.store.root):
            self._fetch_lacking(batch)

    def _fetch_lacking(self, batch: _Batch) -> None:
        lacking = [w for w in batch.wheels if not self.store.wheel(w.sha256, w.filename).is_file()]
        if not lacking:
            return
        from lapstrake.fetch.wheels import fetch_wheels

        key = f"wheels of {lacking[0].sha256}"
        tick = self._tick(key)
        with self.progress.step(key, f"fetch  {len(lacking)} wheels", sum(w.size for w in lacking)):
            fetch_wheels(
                lacking,
                self.store,
                batch.python,
                batch.glibc,
                self.plan.platform,
                lambda _, n: tick(n),
            )
        self.fetched |= {w.sha256 for w in lacking}

    def _tick(self, key: str) -> Callable[[int], None]:
        def tick(count: int) -> None:
            process.check_stopped()
            self.progress.advance(key, count)

        return tick


class _Batch:
    """Wheels that are looked up together: for one Python, no two of one name."""

    def __init__(self, python: str, glibc: str) -> None:
        self.python = python
        self.glibc = glibc
        self._wheels: dict[str, Wheel] = {}

    @property
    def id(self) -> str:
        """The same for everyone who needs the same wheels."""
        return hashlib.sha256("".join(w.sha256 for w in self.wheels).encode()).hexdigest()

    @property
    def wheels(self) -> list[Wheel]:
        return [self._wheels[n] for n in sorted(self._wheels)]

    def takes(self, wheel: Wheel) -> bool:
        """Whether it has room for a wheel, which it then holds."""
        return self._wheels.setdefault(wheel.name, wheel) == wheel


def _fetches(layers: Iterable[Layer]) -> dict[str, _Batch]:
    """The wheels of all layers, in as few batches as their names allow."""
    batches: dict[str, _Batch] = {}
    for layer in sorted((x for x in layers if isinstance(x, Wheels)), key=lambda x: x.id):
        for wheel in _files_of(layer):
            number = 0
            while True:
                key = f"wheels {layer.python} {layer.glibc} {number}"
                if batches.setdefault(key, _Batch(layer.python, layer.glibc)).takes(wheel):
                    break
                number += 1
    return batches


def _files_of(layer: Wheels) -> Iterator[Wheel]:
    for wheel in layer.wheels:
        if isinstance(wheel, BuiltWheel):
            yield wheel.source
            yield from wheel.tools
        else:
            yield wheel


def _bytes_of(layer: Layer) -> int:
    """About how many bytes a layer's builder writes; 0 where that can't be known before."""
    return sum(w.size for w in _files_of(layer)) if isinstance(layer, Wheels) else 0
