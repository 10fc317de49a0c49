"""Smoke tests: start what was built, look at it from all sides, write down what was seen."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import lapstrake
from lapstrake import process
from lapstrake.dist import Build, BuiltImage, read_build
from lapstrake.errors import UserError
from lapstrake.smoke.checking import Check, checks_in, perform
from lapstrake.smoke.checks import (
    contents,
    cuda,
    data,
    ending,
    python,
    repository,
    rootless,
    services,
    ssh,
    tag,
    v2,
)
from lapstrake.smoke.context import Context
from lapstrake.smoke.engine import Engine, Source
from lapstrake.smoke.layers import LayerFiles
from lapstrake.smoke.report import (
    CheckResult,
    ImageSmoke,
    SmokeReport,
    merged,
    read_report,
    write_report,
)
from lapstrake.smoke.waiting import Waiter
from lapstrake.store.store import Store
from lapstrake.store.sweep import sweep

_BUILT_IN = (services, v2, repository, ssh, contents, python, cuda, tag, data, rootless, ending)

# How long a service may take to answer, in seconds: a slow machine, a large model server.
PATIENCE = 90.0


@dataclass(frozen=True)
class _Family:
    """What the tests of all images have in common."""

    build: Build
    dist: Path
    root: Path | None
    engine: Engine
    source: Source
    waiter: Waiter
    patience: float
    keys: Path
    layers: LayerFiles
    gpu: bool
    only: frozenset[str]
    progress: Callable[[CheckResult], None]


def run_smoke(
    dist: Path,
    names: Sequence[str],
    repo_root: Path | None,
    *,
    store: Store,
    jobs: int,
    progress: Callable[[CheckResult], None],
    patience: float = PATIENCE,
    remove: bool = False,
    only: Collection[str] = (),
    gpu: bool = False,
) -> SmokeReport:
    """Test the images `names` (all, where there are none) of dist/; write dist/smoke.json.

    Args:
        dist: what `build` wrote.
        repo_root: where the smoke folders of the definition lie; None: do without them.
        jobs: how many images to test at once.
        progress: told of every verdict, from any thread.
        patience: how long a service may take to answer, in seconds.
        remove: remove the images from the engine at the end; else it keeps them.
        gpu: make the checks that need a GPU, too, where the engine has one.
        only: the names of the checks to make; all, where there are none.

    Raises:
        UserError: no build, an unknown name, no Docker engine, a broken checks.py.
    """
    began = time.monotonic()
    build = read_build(dist)
    images = [build.image(n) for n in names] or list(build.images)
    _check_names(only, images, repo_root)
    sweep(store)
    with (
        Engine() as engine,
        store.scratch("smoke") as scratch,
        _waiting(engine, remove=remove) as waiter,
        engine.source(dist, build) as source,
    ):
        about = engine.description
        _make_keys(scratch)
        family = _Family(
            build=build,
            dist=dist,
            root=repo_root,
            engine=engine,
            source=source,
            waiter=waiter,
            patience=patience,
            keys=scratch,
            layers=LayerFiles(dist / "blobs" / "sha256", _matters, contents.wanted),
            gpu=gpu,
            only=frozenset(only),
            progress=progress,
        )
        tested = _test_all(family, images, jobs)
    report = SmokeReport(
        lapstrake=lapstrake.__version__,
        engine=about,
        seconds=round(time.monotonic() - began, 3),
        images=tuple(tested),
    )
    if not only:  # a part of the checks is no verdict on the image
        write_report(dist, merged(read_report(dist), report, build))
    return report


def _check_names(only: Collection[str], images: Sequence[BuiltImage], root: Path | None) -> None:
    """See that there are these checks; a broken checks.py is told of as well, before any start."""
    known = {c.name for i in images for c in _checks(i, root)}
    if unknown := sorted(set(only) - known):
        raise UserError(f"there is no check {unknown[0]}", f"there are {', '.join(sorted(known))}")


@contextlib.contextmanager
def _waiting(engine: Engine, *, remove: bool) -> Iterator[Waiter]:
    """What waits for containers; at the end it stops, and the engine is rid of what was started."""
    waiter = Waiter()
    try:
        yield waiter
    finally:
        waiter.stop()
        engine.close(images=remove)


def _matters(path: str) -> bool:
    """Whether some check looks at a path of a layer."""
    return contents.matters(path) or cuda.matters(path)


def _test_all(family: _Family, images: Sequence[BuiltImage], jobs: int) -> list[ImageSmoke]:
    """Test images, the largest first, so that none is left for the end; results as given."""
    with ThreadPoolExecutor(max(1, jobs), thread_name_prefix="smoke") as pool:
        order = sorted(images, key=lambda i: (-i.size, i.name))
        futures = {i.name: pool.submit(_test, family, i) for i in order}
        try:
            return [futures[i.name].result() for i in images]
        except BaseException:
            family.waiter.stop()
            family.engine.close()  # what still waits for a container then ends at once
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _test(family: _Family, image: BuiltImage) -> ImageSmoke:
    began = time.monotonic()
    image_id = family.source.load(image)
    ctx = Context(
        build=family.build,
        image=image,
        dist=family.dist,
        engine=family.engine,
        image_id=image_id,
        waiter=family.waiter,
        patience=family.patience,
        root=family.root,
        keys=family.keys,
        layers=family.layers,
        gpu=family.gpu,
    )
    ctx.start()
    results = []
    try:
        for checked in _checks(image, family.root):
            if not family.only or checked.name in family.only:
                results.append(perform(checked, ctx))
                family.progress(results[-1])
    finally:
        ctx.end()
    seconds = round(time.monotonic() - began, 3)
    return ImageSmoke(name=image.name, digest=image.digest, seconds=seconds, checks=tuple(results))


def _checks(image: BuiltImage, root: Path | None) -> tuple[Check, ...]:
    return checks_in([*_BUILT_IN, *_own_modules(image, root)])


def _own_modules(image: BuiltImage, root: Path | None) -> Iterator[ModuleType]:
    """The checks.py of the definition's own smoke folders."""
    for owner, folder in sorted(image.smoke.items()):
        path = None if root is None else root / folder / "checks.py"
        if path is not None and path.is_file():
            yield _load(path, f"lapstrake_smoke_{owner}")


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:  # it ends in .py, so there is one
        raise UserError(f"{path} can't be loaded")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(
            f"{path} can't be loaded: {type(error).__name__}: {error}", "mend it; see docs/smoke.md"
        ) from error
    return module


def _make_keys(folder: Path) -> None:
    """A key that containers are given, and one that they aren't."""
    for name in ("id", "other"):
        process.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name]
        )
