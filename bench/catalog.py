"""The whole catalog: what it costs beyond its wheels, and how much of it is stored once.

All images but the optional ones. Their packages (wheels and Debian's) lie in the cache when the
clock starts, as they were downloaded, and nothing else does; once more with Debian's packages
inflated, as a build before leaves them there.
"""

from __future__ import annotations

import shutil
import statistics
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
_INFLATED = _DOWNLOADS | {"inflated"}
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
    noted = work / "peak"
    fresh, again = _times(side, setting.times(3), noted)
    size = {OWN: float(stored), SUM: float(apart)}
    return [
        Figure("catalog from warm package caches", "s", fresh, (Goal(1 / 1.3, WHEELS_ALONE),)),
        Figure("catalog, packages inflated before", "s", again),
        Figure("catalog: bytes in the registry", "B", size, (Goal(2, SUM),)),
        Figure("catalog: peak memory", "B", {OWN: float(peak_over(noted))}, (Goal(300e6),)),
    ]


def _times(side: OwnSide, rounds: int, noted: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds: packages as downloaded, and inflated before; beside each the wheels'."""
    plan = _wheels_alone()
    fresh, again, alone = [], [], []
    for _ in range(rounds):
        _empty(side, _DOWNLOADS)
        fresh.append(seconds(lambda: side.build_noting_peak(TOP, noted)))
        _empty(side, _INFLATED)
        again.append(seconds(lambda: side.build(TOP)))
        _empty(side, _DOWNLOADS)
        alone.append(seconds(lambda: _build(plan, side.cache)))
        say(f"catalog: {fresh[-1]:.1f} s, {WHEELS_ALONE} {alone[-1]:.1f} s")
        say(f"catalog: {again[-1]:.1f} s with packages inflated before")
    wheels = {WHEELS_ALONE: statistics.median(alone)}
    return {OWN: statistics.median(fresh)} | wheels, {OWN: statistics.median(again)} | wheels


def _empty(side: OwnSide, kept: frozenset[str]) -> None:
    """Leave nothing of earlier builds but what the cache has in the folders `kept`."""
    shutil.rmtree(side.out, ignore_errors=True)
    for part in side.cache.iterdir():
        if part.is_dir() and part.name not in kept:
            shutil.rmtree(part)


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
