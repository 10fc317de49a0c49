"""What only this machine can reach is fetched here, and handed to the engine's cache volumes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

import anyio.to_thread

from lapstrake.engines.dagger.carried import is_only_here
from lapstrake.engines.dagger.graph import Bench
from lapstrake.engines.local.fetching import Fetching, files_of
from lapstrake.engines.schedule import Task, run_tasks
from lapstrake.layers.kinds import Bootstrap, Copy, Layer, Pulled, Run, Wheels
from lapstrake.report.progress import Progress
from lapstrake.skopeo import host_of, is_loopback
from lapstrake.store.store import Store

_CONNECTIONS = 2


@dataclasses.dataclass(frozen=True)
class Priming:
    """Files of the cache that the engine is given, by part, with their paths in it."""

    store: Store
    progress: Progress
    parts: dict[str, tuple[str, ...]]
    tasks: tuple[Task, ...]

    @classmethod
    def of(
        cls,
        layers: Iterable[Layer],
        platform: str,
        store: Store,
        progress: Progress,
        everything: bool,
    ) -> Priming:
        """What some layers need of indexes, mirrors and registries on this machine; or of all."""
        wanted = list(layers)
        fetching = Fetching(store, progress, platform)
        found: dict[str, set[str]] = {"wheels": set(), "debs": set(), "images": set()}
        tasks: list[Task] = []
        wheels = [w for x in wanted if isinstance(x, Wheels) for w in files_of(x)]
        if everything or is_only_here([w.filename for w in wheels]):
            debs = [d for x in wanted if isinstance(x, Bootstrap | Run) for d in x.debs]
            interpreters = [x.interpreter for x in wanted if isinstance(x, Wheels)]
            below = [x for i in interpreters if i for x in i.layers]
            debs += [d for x in below if isinstance(x, Bootstrap | Run) for d in x.debs]
            found["wheels"] = {f"{w.sha256}/{w.filename}" for w in wheels}
            found["debs"] = {f"{d.sha256}.deb" for d in debs}
            packaged = {x.id: x for x in (*wanted, *below)}.values()
            tasks += [*fetching.wheel_tasks(wanted), *fetching.deb_tasks(packaged)]
        for layer in _from_here(wanted, everything):
            place = _place(layer, store)
            found["images"].add(place.name)
            tasks.append(Task(f"image {place.name}", _Pull(layer, store), frozenset()))
        parts = {part: tuple(sorted(paths)) for part, paths in found.items() if paths}
        return cls(store, progress, parts, tuple({t.key: t for t in tasks}.values()))

    async def into(self, bench: Bench, run: str) -> None:
        """Fetch what is lacking here, and have the engine take it."""
        if not self.parts:
            return
        work = functools.partial(run_tasks, self.tasks, _CONNECTIONS)
        # whoever is interrupted ends it by `process.stop_all`
        await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        folders = [(part, self.store.root / part, paths) for part, paths in self.parts.items()]
        count = sum(len(paths) for paths in self.parts.values())
        with self.progress.step("upload", f"upload {count} files to the Dagger engine"):
            await bench.prime(folders, run).sync()


def hosts_of(layers: Iterable[Layer]) -> tuple[str, ...]:
    """The registries that layers come from, sorted."""
    references = [x.reference for x in layers if isinstance(x, Pulled | Copy) and x.reference]
    return tuple(sorted({host_of(reference) for reference in references}))


def _from_here(layers: Iterable[Layer], everything: bool) -> list[Pulled | Copy]:
    pulled = [x for x in layers if isinstance(x, Pulled | Copy) and x.digest]
    return [x for x in pulled if everything or is_loopback(x.reference)]


def _place(layer: Pulled | Copy, store: Store) -> Path:
    from lapstrake.engines.local.pulled import image_place

    return image_place(layer.digest, layer.platform, store)


class _Pull:
    """Fetching one image."""

    def __init__(self, layer: Pulled | Copy, store: Store) -> None:
        self._layer = layer
        self._store = store

    def __call__(self) -> None:
        from lapstrake.engines.local.pulled import fetch_image

        layer = self._layer
        fetch_image(layer.reference, layer.digest, layer.platform, self._store)
