"""Making the layers that the cache lacks, on this machine."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from lapstrake import process
from lapstrake.engines.built import is_complete
from lapstrake.engines.local.bootstrap import bootstrap
from lapstrake.engines.local.compiling import Compiling
from lapstrake.engines.local.copy import copy_layer
from lapstrake.engines.local.fetching import Fetching, debs_key, files_of
from lapstrake.engines.local.pulled import pull_root
from lapstrake.engines.local.run import run_layer
from lapstrake.engines.local.source_wheel import build_wheel
from lapstrake.engines.model import Outcome
from lapstrake.engines.schedule import Task, run_tasks
from lapstrake.layers.files_layer import write_files
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
from lapstrake.layers.wheels_layer import write_wheels
from lapstrake.lock.model import Wheel
from lapstrake.plan.model import direct_needs
from lapstrake.report.progress import Progress
from lapstrake.store.records import Blob, LayerRecord
from lapstrake.store.store import Store, file_system_errors

# A bootstrap is one long processor-bound step that others wait for: it starts first.
_WEIGHTS = {"root": 1 << 60, "run": 1 << 50, "copy": 1 << 40, "wheels": 0, "files": 0}


class Making:
    """The layers of one build, and what became of each.

    Args:
        missing: the layers to make, by id; with all that they need and the cache lacks.
        there: the outcomes of the other layers that are needed.
        platform: what they are for, `linux/amd64`.
        store: takes what is made.
        progress: shows it.
    """

    def __init__(
        self,
        missing: Mapping[str, Layer],
        there: Mapping[str, Outcome],
        platform: str,
        store: Store,
        progress: Progress,
    ) -> None:
        self.missing = missing
        self.outcomes = dict(there)
        self.store = store
        self.progress = progress
        self.fetching = Fetching(store, progress, platform)
        self.compiling = Compiling(store, progress, self.fetching, self._blobs_of)

    def run(self, jobs: int) -> dict[str, Outcome]:
        """Make them all; the outcome of every layer.

        Raises:
            UserError: one can't be made. Those that were finished stay in the cache.
        """
        run_tasks(self._tasks(), jobs)
        return self.outcomes

    def _tasks(self) -> Iterator[Task]:
        """What is fetched, what is compiled, and each layer after what it is made of."""
        layers = self.missing.values()
        wheels = tuple(self.fetching.wheel_tasks(layers))
        fetched = frozenset(task.key for task in wheels)
        compiled = tuple(self.compiling.tasks(self.missing, fetched))
        debs = tuple(self.fetching.deb_tasks(layers))
        yield from (*wheels, *compiled, *debs)
        ready = fetched | {task.key for task in compiled}
        packages = {task.key for task in debs}
        for layer in layers:
            after = {n.id for n in direct_needs(layer) if n.id in self.missing}
            after |= {debs_key(layer)} & packages
            after |= ready if isinstance(layer, Wheels) else set()
            work = functools.partial(self._layer, layer)
            outside = isinstance(layer, Bootstrap | Run) or _builds(layer)
            yield Task(layer.id, work, frozenset(after), _weight(layer), outside)

    def _layer(self, layer: Layer) -> None:
        """Build one layer, unless another process has done so while we waited for its lock."""
        process.check_stopped()
        with self.store.locked(layer.id), file_system_errors(self.store.root):
            record = self.store.record(layer.id)
            if record is None or not is_complete(layer, self.store):
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
            return bootstrap(layer, self.fetching.debs(layer), self.store, tick), {}
        if isinstance(layer, Pulled):
            return pull_root(layer, self.store)
        if isinstance(layer, Run):
            below = self._blobs_of(layer.below)
            return run_layer(layer, below, self.fetching.debs(layer), self.store, tick), {}
        if isinstance(layer, Copy):
            return copy_layer(layer, self._blobs_of(layer.layers), self.store), {}
        if isinstance(layer, Wheels):
            paths = {w.name: self._wheel(w) for w in layer.wheels}
            compiled = self.compiling.of_layer(layer, paths)
            return self._written(lambda out: write_wheels(layer, paths, out, tick, compiled)), {}
        if isinstance(layer, Files):
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
            return self.fetching.wheel(wheel)
        tools = {t.name: self.fetching.wheel(t) for t in wheel.tools}
        source = self.fetching.wheel(wheel.source)
        return build_wheel(wheel, source, tools, self._blobs_of(wheel.root), self.store)

    def _blobs_of(self, layers: Iterable[Layer]) -> list[Blob]:
        """The blobs of layers, bottom to top; of those that are there by now."""
        known = [self.outcomes[x.id].record for x in layers if x.id in self.outcomes]
        return [blob for record in known for blob in record.blobs]

    def _tick(self, key: str) -> Callable[[int], None]:
        def tick(count: int) -> None:
            process.check_stopped()
            self.progress.advance(key, count)

        return tick


def _builds(layer: Layer) -> bool:
    """Whether wheels are built for it first, which takes longer than to write it."""
    return isinstance(layer, Wheels) and any(isinstance(w, BuiltWheel) for w in layer.wheels)


def _weight(layer: Layer) -> int:
    """What the schedule goes by: kinds that take long first, then what is made of most bytes."""
    kind = "run" if _builds(layer) else layer.kind
    packages = sum(deb.size for deb in layer.debs) if isinstance(layer, Run) else 0
    return _WEIGHTS[kind] + packages + _bytes_of(layer)


def _bytes_of(layer: Layer) -> int:
    """About how many bytes a layer's builder writes; 0 where that can't be known before."""
    return sum(w.size for w in files_of(layer)) if isinstance(layer, Wheels) else 0
