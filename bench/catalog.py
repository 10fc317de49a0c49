"""The whole catalog: what it costs beyond its wheels, and how much of it is stored once.

All images but the optional ones. Their packages (wheels and Debian's) lie in the cache when the
clock starts, as a build before has left them there, and nothing else does; once more with just what
is downloaded, where Debian's packages are still to be inflated.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.figures import OWN, Figure, Goal
from bench.own import OwnSide, peak_over
from bench.registry import serve
from bench.setting import TOP, Setting, say, seconds
from lapstrake.definition.load import load
from lapstrake.dist import read_build
from lapstrake.engines.local.engine import LocalEngine
from lapstrake.layers.kinds import Wheels
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME, Wheel
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan
from lapstrake.report.progress import Progress, Step
from lapstrake.store.store import Store

WHEELS_ALONE, SUM = "its wheels alone", "all images, each by itself"
_DOWNLOADS = frozenset(("wheels", "debs"))
_PACKAGES = _DOWNLOADS | {"inflated"}
# As many layers at a time as the machine that the goal is for has cores.
_JOBS = 2


class _Silent(Progress):
    """Shows nothing: what it says isn't measured."""

    def on_start(self, step: Step) -> None: ...

    def on_advance(self, step: Step) -> None: ...

    def on_finish(self, step: Step, outcome: str) -> None: ...

    def on_note(self, text: str) -> None: ...


def measure_catalog(setting: Setting) -> list[Figure]:
    """Seconds of the catalog and of its wheels alone; bytes in a registry and of all images.

    Raises:
        UserError: a build or the push fails.
    """
    work = setting.work / "catalog"
    with serve(work / "registry") as registry:
        side = OwnSide(work / "cache", work / "dist", f"{registry.host}/bench")
        say("catalog: its packages, before any clock runs")
        side.build(TOP)
        side.push(TOP)
        stored = registry.size()
    apart = sum(i.size for i in read_build(side.out).images)
    plan, noted = _wheels_alone(), work / "peak"
    whole, fresh, alone = [], [], []
    for _ in range(setting.times(3)):
        whole.append(_timed(side.cache, lambda: side.build_noting_peak(TOP, noted)))
        alone.append(_timed(side.cache, lambda: _build(plan, side.cache)))
        fresh.append(_timed(side.cache, lambda: side.build(TOP), _DOWNLOADS))
        say(f"catalog: {whole[-1]:.1f} s, {WHEELS_ALONE} {alone[-1]:.1f} s")
        say(f"catalog: {fresh[-1]:.1f} s from downloads")
    took = {OWN: statistics.median(whole), WHEELS_ALONE: statistics.median(alone)}
    downloads = {OWN: statistics.median(fresh), WHEELS_ALONE: took[WHEELS_ALONE]}
    size = {OWN: float(stored), SUM: float(apart)}
    return [
        Figure("catalog from warm package caches", "s", took, (Goal(1 / 1.3, WHEELS_ALONE),)),
        Figure("catalog from downloads alone", "s", downloads),
        Figure("catalog: bytes in the registry", "B", size, (Goal(2, SUM),)),
        Figure("catalog: peak memory", "B", {OWN: float(peak_over(noted))}, (Goal(300e6),)),
    ]


def _timed(cache: Path, act: Callable[[], object], kept: frozenset[str] = _PACKAGES) -> float:
    """Seconds of a call that finds packages in the cache and nothing else."""
    for part in cache.iterdir():
        if part.is_dir() and part.name not in kept:
            shutil.rmtree(part)
    return seconds(act)


def _wheels_alone() -> Plan:
    """The catalog's plan with the distinct wheel layers of all images, and nothing besides.

    Without those of the repository's own projects: these are built in the root, not taken.
    """
    plan = make_plan(load(TOP), read_lock(TOP / LOCK_NAME))
    layers = (x for x in plan.layers if isinstance(x, Wheels))
    wheels = tuple(x for x in layers if all(isinstance(w, Wheel) for w in x.wheels))
    return replace(plan, images=(replace(plan.images[0], layers=wheels),))


def _build(plan: Plan, cache: Path) -> None:
    with _Silent() as progress:
        LocalEngine().build(plan, Store(cache), progress, _JOBS)
