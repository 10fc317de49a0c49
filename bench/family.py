"""The family on both sides: cold, with nothing to do, with one thing changed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.context import write_context
from bench.docker import DockerSide, cleaned_cache
from bench.figures import OWN, PIP, UV, Figure, Goal, Unit
from bench.host import write_secrets
from bench.own import OwnSide, peak_over
from bench.registry import Registry, serve
from bench.repositories import copy_repository, move_wheel, update_deb
from bench.root import build_root, push_root, seed_root
from bench.serving import Served, measure_starts
from bench.setting import TOP, Setting, median, say, seconds
from lapstrake.store.store import Store

# The runtime and the package that are bumped, and the Debian package that is updated.
BUMPED = "lightgbm"
UPDATED = "openssh-server"

PARTS = ("cold", "bootstrap", "same", "bump", "update", "serve")
LABELS = {"pip": PIP, "uv": UV}


class Figures:
    """Values as they come, by figure and side."""

    def __init__(self) -> None:
        self.found: dict[str, Figure] = {}

    def note(self, title: str, side: str, value: float, unit: Unit = "s", *goals: Goal) -> None:
        """Add one side's value; the goals stand with the first."""
        figure = self.found.setdefault(title, Figure(title, unit, {}, goals))
        figure.values[side] = value
        say(f"{title}, {side}: {value:.2f} {unit}")


@dataclass(frozen=True)
class Sources:
    """The repositories that are built: as it is, with one wheel, with one Debian package moved."""

    plain: Path
    bumped: Path
    updated: Path


@dataclass
class Family:
    """Measures `parts` of the family; Docker's sides are `variants`."""

    setting: Setting
    parts: frozenset[str]
    variants: tuple[str, ...]
    figures: Figures

    def run(self) -> None:
        """Lapstrake first, then each variant, each with a registry of its own."""
        work = self.setting.work
        say("the root, before any clock runs")
        self.root = build_root(TOP, work / "root")
        self.sources = Sources(*(copy_repository(work / n) for n in ("plain", "bump", "update")))
        with contextlib.ExitStack() as stack:
            registry = stack.enter_context(self._registry("own"))
            own = OwnSide(work / "cache", work / "dist", f"{registry.host}/bench")
            references = self._own(own, registry)
            stack.enter_context(cleaned_cache(self.setting.docker))
            for variant in self.variants:
                self._variant(variant, own, references)

    @contextlib.contextmanager
    def _registry(self, name: str) -> Iterator[Registry]:
        """A registry that holds the root and nothing else."""
        with serve(self.setting.work / f"registry-{name}") as registry:
            root = f"{registry.host}/root:1"
            push_root(self.root, Store(), self.setting.work / "root-image", root)
            yield registry

    def _own(self, own: OwnSide, registry: Registry) -> dict[str, str]:
        note, setting = self.figures.note, self.setting
        seed_root(TOP, own.cache)
        peak = setting.work / "peak"
        plain = self.sources.plain
        built = seconds(lambda: own.build_noting_peak(plain, peak))
        references: dict[str, str] = {}
        pushed = seconds(lambda: references.update(own.push(plain)))
        note("cold: built", OWN, built)
        note("cold: pushed", OWN, pushed)
        goals = Goal(6, PIP), Goal(4, UV)
        note("cold: built and pushed", OWN, built + pushed, "s", *goals)
        title = "peak memory of the build, above a bare interpreter"
        note(title, OWN, peak_over(peak), "B", Goal(300e6))
        size = registry.size()
        note("bytes in the registry", OWN, size, "B", Goal(1 / 0.55, PIP), Goal(1 / 0.55, UV))
        if "same" in self.parts:
            again = median(setting.times(5), lambda: own.build(plain))
            note("nothing changed", OWN, again, "s", Goal(0.5), Goal(1, PIP), Goal(1, UV))
        if "bump" in self.parts:
            before, after = move_wheel(self.sources.bumped, BUMPED, setting.work / "moved")
            say(f"{BUMPED} {before} → {after}")
            self._bumped(OWN, registry, lambda: _both(own, self.sources.bumped))
        if "update" in self.parts:
            self._own_update(own, registry)
        if "bootstrap" in self.parts:
            self._own_bootstrap()
        return references

    def _bumped(self, side: str, registry: Registry, act: Callable[[], object]) -> None:
        took, sent = _travelled(registry, act)
        title = f"{BUMPED} in another version"
        self.figures.note(f"{title}: built and pushed", side, took, "s", Goal(8, UV))
        self.figures.note(f"{title}: bytes that travelled", side, sent, "B")

    def _updated(self, side: str, registry: Registry, act: Callable[[], object]) -> None:
        took, sent = _travelled(registry, act)
        title = f"{UPDATED} updated"
        self.figures.note(f"{title}: built and pushed", side, took)
        self.figures.note(f"{title}: bytes that travelled", side, sent, "B")

    def _own_update(self, own: OwnSide, registry: Registry) -> None:
        work = self.setting.work
        update_deb(self.sources.updated, UPDATED, work / "deb", Store(own.cache))
        # the registry holds the plain family again: what was bumped before is no part of it
        self._updated(OWN, registry, lambda: _both(own, self.sources.updated))
        self.updated_root = build_root(self.sources.updated, work / "root2", own.cache)

    def _own_bootstrap(self) -> None:
        work = self.setting.work
        with serve(work / "registry-bootstrap") as registry:
            own = OwnSide(work / "cache2", work / "dist2", f"{registry.host}/bench")
            took = seconds(lambda: _both(own, self.sources.plain))
            self.figures.note("cold, the root bootstrapped as well", OWN, took)

    def _variant(self, variant: str, own: OwnSide, references: dict[str, str]) -> None:
        setting, label = self.setting, LABELS[variant]
        secrets_at = setting.work / f"secrets-{variant}"
        with self._registry(variant) as registry:
            side = DockerSide(
                setting,
                variant,
                f"{registry.host}/{variant}-{setting.run_id}",
                write_secrets(secrets_at, "bookworm"),
            )
            try:
                self._docker(side, label, registry, own)
                if "serve" in self.parts and variant == self.variants[0]:
                    self._serve(side, label, references)
            finally:
                side.clean()

    def _docker(self, side: DockerSide, label: str, registry: Registry, own: OwnSide) -> None:
        note, root = self.figures.note, f"{registry.host}/root:1"
        context = self.setting.work / f"context-{side.variant}"
        side.pull(root)
        write_context(self.sources.plain, side.variant, context)
        built = seconds(lambda: side.build(context, root))
        pushed = seconds(side.push)
        note("cold: built", label, built)
        note("cold: pushed", label, pushed)
        note("cold: built and pushed", label, built + pushed)
        note("bytes in the registry", label, registry.size(), "B")
        if "same" in self.parts:
            count = self.setting.times(5)
            note("nothing changed", label, median(count, lambda: side.build(context, root)))
        if "bump" in self.parts:
            write_context(self.sources.bumped, side.variant, context)
            self._bumped(label, registry, lambda: _rebuild(side, context, root))
        if "update" in self.parts:
            write_context(self.sources.plain, side.variant, context)
            newer = f"{registry.host}/root:2"
            work = self.setting.work / "root-image"

            def update() -> None:
                push_root(self.updated_root, Store(own.cache), work, newer)
                side.pull(newer)
                _rebuild(side, context, newer)

            self._updated(label, registry, update)

    def _serve(self, side: DockerSide, label: str, references: dict[str, str]) -> None:
        say("from docker run to a model that answers")
        # gigabytes were pushed a moment ago: what the kernel still has to write is no part of this
        os.sync()
        name = "sklearn"
        side.pull(references[name])
        images = {OWN: references[name], label: side.reference(name)}
        served = Served(self.setting, TOP / f"runtimes/{name}/smoke/model.py")
        for whose, took in measure_starts(served, images, self.setting.times(25)).items():
            self.figures.note("docker run to V2 ready", whose, took, "s", Goal(1, PIP))


def _both(own: OwnSide, repository: Path) -> None:
    own.build(repository)
    own.push(repository)


def _rebuild(side: DockerSide, context: Path, root: str) -> None:
    side.build(context, root)
    side.push()


def _travelled(registry: Registry, act: Callable[[], object]) -> tuple[float, int]:
    """Seconds, and bytes of the blobs that are new in the registry."""
    before = registry.blobs()
    took = seconds(act)
    return took, sum(size for name, size in registry.blobs().items() if name not in before)
