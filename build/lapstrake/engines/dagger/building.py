"""Having an engine build the layers that the cache lacks, and taking them into the cache."""

from __future__ import annotations

import functools
import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
import dagger

from lapstrake import process
from lapstrake.engines.built import built_place, only_file
from lapstrake.engines.dagger import places
from lapstrake.engines.dagger.carried import carried
from lapstrake.engines.dagger.graph import Bench, Toolchain
from lapstrake.engines.dagger.priming import Priming, hosts_of
from lapstrake.engines.dagger.session import in_session
from lapstrake.engines.dagger.wire import Interpreters, required
from lapstrake.engines.local.fetching import files_of
from lapstrake.engines.model import Outcome
from lapstrake.errors import UserError
from lapstrake.layers.kinds import BuiltWheel, Layer, Wheels
from lapstrake.plan.model import own_wheels
from lapstrake.report.progress import Progress
from lapstrake.store.intact import check_file
from lapstrake.store.records import LayerRecord
from lapstrake.store.store import Store, file_system_errors, write_staged

# Results that are on their way here at a time: one stream alone doesn't fill a fast connection.
_EXPORTS = 2

# What takes long and is waited for begins first.
_KINDS = ("root", "run", "copy", "wheels", "files")


class Building:
    """The layers of one build in an engine.

    Args:
        missing: the layers to build, by id; with all that they need and the cache lacks.
        platform: what they are for.
        store: takes what is built.
        progress: shows it.
        fetch_here: whether all that is fetched is fetched here, and handed to the engine.
    """

    def __init__(
        self,
        missing: Mapping[str, Layer],
        platform: str,
        store: Store,
        progress: Progress,
        fetch_here: bool = False,
    ) -> None:
        self._missing = missing
        self._platform = platform
        self._store = store
        self._progress = progress
        self._fetch_here = fetch_here
        self._run = uuid.uuid4().hex
        self._outcomes: dict[str, Outcome] = {}
        self._results: dict[str, dagger.Directory] = {}
        self._layers = _with_required(missing)
        self._fetched = anyio.Event()
        self._done = {name: anyio.Event() for name in self._layers}

    def run(self, toolchain: Toolchain, jobs: int) -> dict[str, Outcome]:
        """Build them all; the outcome of each missing layer, by id.

        Raises:
            UserError: one can't be built, or the engine can't be used. Those that were finished
                are in the cache.
        """
        primed = Priming.of(
            self._layers.values(), self._platform, self._store, self._progress, self._fetch_here
        )
        interpreters = Interpreters.of(self._layers.values()).to_json()
        hosts = hosts_of(self._layers.values())
        settings = carried(self._run, interpreters, hosts)
        with self._store.scratch("dagger") as folder:
            path = folder / "client.json"
            write_staged(path, settings.to_json().encode())
            path.chmod(0o600)
            work = functools.partial(self._build, toolchain, path, folder, primed, jobs)
            in_session(work, self._store.root / "dagger.log")
        return self._outcomes

    async def _build(
        self, toolchain: Toolchain, settings: Path, folder: Path, primed: Priming, jobs: int
    ) -> None:
        bench = Bench.of(toolchain, settings, self._platform, self._store.root / "wheels")
        with self._progress.step("toolchain", "toolchain of the Dagger engine"):
            bench = replace(bench, container=await bench.container.sync())
        await primed.into(bench, self._run)
        building, bringing = anyio.CapacityLimiter(jobs), anyio.CapacityLimiter(_EXPORTS)
        async with anyio.create_task_group() as group:
            group.start_soon(self._fetch, bench)
            for layer in sorted(self._layers.values(), key=_weight):
                group.start_soon(self._layer, layer, bench, folder, (building, bringing))

    async def _fetch(self, bench: Bench) -> None:
        """Have the engine fetch what several layers of wheels need, before any of them is built."""
        layers = [x for x in self._layers.values() if isinstance(x, Wheels)]
        if len(layers) > 1:
            count = sum(len(x.wheels) for x in layers)
            with self._progress.step("wheels", f"fetch  {count} wheels"):
                await bench.fetched(layers).sync()
        self._fetched.set()

    async def _layer(
        self,
        layer: Layer,
        bench: Bench,
        folder: Path,
        limiters: tuple[anyio.CapacityLimiter, anyio.CapacityLimiter],
    ) -> None:
        """Build one layer after those that it is made of; bring it here if it is missing."""
        for needed in required(layer):
            await self._done[needed.id].wait()
        if isinstance(layer, Wheels):
            await self._fetched.wait()
        building, bringing = limiters
        async with building:
            with self._progress.step(layer.id, f"{layer.kind:<6} {layer.title}"):
                self._results[layer.id] = await bench.layer(layer, self._results).sync()
            self._done[layer.id].set()
        if layer.id in self._missing:
            async with bringing:
                await self._bring(layer, folder / layer.id)

    async def _bring(self, layer: Layer, folder: Path) -> None:
        key = f"take {layer.id}"
        with self._progress.step(key, f"take   {layer.title}"):
            await self._results[layer.id].export(str(folder))
            # a cancelled build keeps what has arrived
            with anyio.CancelScope(shield=True):
                outcome = await anyio.to_thread.run_sync(self._kept, layer, folder)
            self._outcomes[layer.id] = outcome
            self._progress.advance(key, sum(b.size for b in outcome.record.blobs))

    def _kept(self, layer: Layer, folder: Path) -> Outcome:
        """Take a finished layer into the cache, each blob checked against its digest."""
        record = LayerRecord.from_json(json.loads((folder / places.RECORD).read_bytes()))
        if record.id != layer.id:
            msg = f"the engine gave {record.id} for {layer.id}"
            raise AssertionError(msg)
        with file_system_errors(self._store.root):
            for blob in record.blobs:
                path = folder / places.BLOBS / blob.digest.removeprefix("sha256:")
                if path.exists():
                    _check(path, layer)
                    self._store.adopt(path, blob.digest)
            for wheel in own_wheels(layer):
                _keep_released(folder / places.RELEASED / wheel.key, wheel, self._store)
            self._store.commit(record)
        made = (folder / places.RUN).read_text() == self._run
        shutil.rmtree(folder)
        return Outcome(record, "built" if made else "reused")


def _keep_released(folder: Path, wheel: BuiltWheel, store: Store) -> None:
    """Take a project's wheel and source archive into the cache."""
    for pattern in ("*.tar.gz", "*.whl"):
        path = only_file(folder, pattern)
        if path is None:
            msg = f"the engine gave no {pattern} of {wheel.name}"
            raise AssertionError(msg)
        write_staged(built_place(wheel, store) / path.name, path.read_bytes())


def _weight(layer: Layer) -> tuple[int, int, str]:
    size = sum(w.size for w in files_of(layer)) if isinstance(layer, Wheels) else 0
    return _KINDS.index(layer.kind), -size, layer.id


def _check(path: Path, layer: Layer) -> None:
    try:
        check_file(path, path.name)
    except process.Stopped:
        raise
    except UserError:
        raise UserError(
            f"{layer.title} arrived from the engine with other bytes than it left",
            "build again; is the engine's disk sound?",
        ) from None


def _with_required(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """Layers by id with all that they are built over or from, whether that is missing or not."""
    found: dict[str, Layer] = {}
    waiting = list(layers.values())
    while waiting:
        layer = waiting.pop()
        if layer.id not in found:
            found[layer.id] = layer
            waiting += required(layer)
    return found
