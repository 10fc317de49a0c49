"""The step of a build that compiles the modules of all its wheels at once.

One step for all, since each start of the image's Python in namespaces of its own costs as much as
compiling a small package.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lapstrake.engines.built import built_wheel
from lapstrake.engines.local.bytecode import Source, compile_wheels
from lapstrake.engines.local.fetching import Fetching, debs_key
from lapstrake.engines.local.interpreter import debs_of
from lapstrake.engines.schedule import Task
from lapstrake.layers.kinds import (
    BuiltWheel,
    Interpreter,
    Layer,
    Wheels,
    bytecode_key,
    digest_of,
)
from lapstrake.lock.model import Wheel
from lapstrake.report.progress import Progress
from lapstrake.store.records import Blob
from lapstrake.store.store import Store, file_system_errors

_WEIGHT = 1 << 58

# The blobs of layers that are built, bottom to top; of those alone.
BlobsOf = Callable[[Iterable[Layer]], list[Blob]]


class Compiling:
    """The compiled modules of one build.

    Args:
        store: keeps them.
        progress: shows the step.
        fetching: has the wheels.
        blobs_of: tells the blobs of an interpreter's layers, once they are built.
    """

    def __init__(
        self, store: Store, progress: Progress, fetching: Fetching, blobs_of: BlobsOf
    ) -> None:
        self._store = store
        self._progress = progress
        self._fetching = fetching
        self._blobs_of = blobs_of

    def tasks(self, missing: Mapping[str, Layer], after: frozenset[str]) -> Iterator[Task]:
        """A step for each Python that compiles wheels of missing layers; `after` fetches them."""
        groups: dict[str, list[Wheels]] = {}
        for layer in missing.values():
            if isinstance(layer, Wheels) and layer.interpreter is not None:
                key = f"bytecode {layer.python} {layer.interpreter.version}"
                groups.setdefault(key, []).append(layer)
        for key, layers in sorted(groups.items()):
            interpreter = layers[0].interpreter
            if interpreter is not None:
                work = functools.partial(self._compile_those_there, key, layers, interpreter)
                waits = after | self._waits_for(interpreter, missing)
                yield Task(key, work, waits, _WEIGHT, outside=True)

    def of_layer(self, layer: Wheels, paths: Mapping[str, Path]) -> dict[str, Path]:
        """The compiled modules of a layer's wheels, which lie at `paths`; both by name.

        What no step compiled before is compiled now: wheels that this build makes from source.
        """
        if layer.interpreter is None:
            return {}
        sources = [Source(w.name, paths[w.name], bytecode_key(layer, w)) for w in layer.wheels]
        self._compile(sources, layer.interpreter, layer.python)
        return {s.name: self._store.bytecode(s.key) for s in sources}

    def _waits_for(self, interpreter: Interpreter, missing: Mapping[str, Layer]) -> frozenset[str]:
        """The packages of the interpreter, or the layers that it lies in."""
        lacking = frozenset(x.id for x in interpreter.layers if x.id in missing)
        there = [x for x in interpreter.layers if x.id not in missing]
        debs = debs_of(interpreter)
        if debs is None or not all(self._has_debs(layer) for layer in there):
            return lacking
        return frozenset(debs_key(missing[name]) for name in lacking)

    def _has_debs(self, layer: Layer) -> bool:
        debs = debs_of(Interpreter("", "", (layer,))) or ()
        return all(self._store.deb(deb.sha256).is_file() for deb in debs)

    def _compile_those_there(
        self, key: str, layers: Sequence[Wheels], interpreter: Interpreter
    ) -> None:
        """Compile the wheels that are there, as far as that was never done."""
        wanted: dict[str, Source] = {}
        for layer in layers:
            for wheel in layer.wheels:
                name = bytecode_key(layer, wheel)
                if self._store.bytecode(name).is_file():
                    continue
                if (path := self._there(wheel)) is not None:
                    wanted[name] = Source(wheel.name, path, name)
        if wanted:
            with self._progress.step(key, f"compile {len(wanted)} wheels", 0):
                self._compile([wanted[k] for k in sorted(wanted)], interpreter, layers[0].python)

    def _there(self, wheel: Wheel | BuiltWheel) -> Path | None:
        """A wheel's file; None where it is still to be built."""
        if isinstance(wheel, Wheel):
            return self._fetching.wheel(wheel)
        return built_wheel(wheel, self._store)

    def _compile(self, sources: Sequence[Source], interpreter: Interpreter, python: str) -> None:
        """Builds that compile the same wheels wait for whichever came first."""
        name = digest_of(sorted(s.key for s in sources))
        with self._store.locked(f"bytecode-{name}"), file_system_errors(self._store.root):
            below = self._blobs_of(interpreter.layers)
            compile_wheels(sources, interpreter, python, below, self._store, os.cpu_count() or 1)
