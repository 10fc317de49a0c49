"""A generated repository of many runtimes over many wheels, with a made-up lock: for `plan`."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

from bench.figures import OWN, Figure, Goal
from bench.setting import LAPSTRAKE, Setting, lapstrake, median
from lapstrake import process
from lapstrake.definition.load import load
from lapstrake.definition.repository import Repository
from lapstrake.lock.file import write_lock
from lapstrake.lock.inputs import lock_inputs
from lapstrake.lock.model import LOCK_NAME, Deb, Lock, Resolution, Wheel
from lapstrake.plan.make import make_plan

RUNTIMES, WHEELS = 200, 400
_SLIM = 60  # wheels that every image has
_OWN = (0, 30)  # how many a runtime adds, at the least and the most
_LARGE = 20  # of all, so large that each has a layer of its own


def measure_plan(setting: Setting) -> list[Figure]:
    """`lapstrake plan` as a whole process."""
    folder = setting.work / "many"
    write_many(folder)
    cache = setting.work / "many-cache"
    took = median(setting.times(3), lambda: lapstrake("plan", cache=cache, repository=folder))
    title = f"plan of {RUNTIMES} runtimes over {WHEELS} wheels"
    return [Figure(title, "s", {OWN: took}, (Goal(2),))]


def measure_start(setting: Setting) -> list[Figure]:
    """Start-up, as whole processes."""
    count = setting.times(10)
    helped = median(count, lambda: process.run([LAPSTRAKE, "--help"]))
    listed = median(count, lambda: lapstrake("list"))
    return [
        Figure("lapstrake --help", "s", {OWN: helped}, (Goal(0.15),)),
        Figure("lapstrake list", "s", {OWN: listed}, (Goal(0.3),)),
    ]


def write_many(folder: Path, runtimes: int = RUNTIMES, wheels: int = WHEELS) -> Repository:
    """Write the repository; always the same for the same numbers."""
    _write(folder / "lapstrake.yaml", "name: many\n")
    _write(folder / "images/base/image.yaml", "root: {suite: bookworm, packages: [tini]}\n")
    slim = "extends: base\npython: {requirements: [w0]}\n"
    _write(folder / "images/slim/image.yaml", slim)
    _write(folder / "images/full/image.yaml", "extends: slim\nruntimes: all\n")
    for number in range(runtimes):
        text = f"python: {{requirements: [w{number % wheels}]}}\n"
        _write(folder / f"runtimes/r{number:03}/runtime.yaml", text)
    repo = load(folder)
    write_lock(folder / LOCK_NAME, _lock(repo, runtimes, wheels))
    return repo


def count_blobs(repo: Repository, lock: Lock) -> int:
    """Distinct layers of the whole plan."""
    return len(make_plan(repo, lock).layers)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _lock(repo: Repository, runtimes: int, wheels: int) -> Lock:
    numbers = random.Random(0)  # noqa: S311 - the same made-up lock each time
    names = [f"w{n}" for n in range(wheels)]
    slim = names[:_SLIM]
    closures: dict[str, tuple[str, ...]] = {"slim": tuple(sorted(slim))}
    for number in range(runtimes):
        own = [*numbers.sample(names[_SLIM:], numbers.randint(*_OWN)), f"w{number % wheels}"]
        closures[f"r{number:03}"] = tuple(sorted({*slim, *own}))
    closures["full"] = tuple(sorted({w for c in closures.values() for w in c}))
    large = set(numbers.sample(names[_SLIM:], min(_LARGE, wheels - _SLIM)))
    found = [_wheel(n, 50_000_000 if n in large else 200_000) for n in sorted(names)]
    return Lock(
        platform="linux/amd64",
        epoch=1_700_000_000,
        roots={"base": tuple(_debs())},
        apt={},
        images={},
        resolutions={
            "family": Resolution(
                python="3.11", glibc="2.36", wheels=tuple(found), closures=closures
            )
        },
        inputs=lock_inputs(repo),
    )


def _wheel(name: str, size: int) -> Wheel:
    filename = f"{name}-1.0-py3-none-any.whl"
    return Wheel(name=name, version="1.0", filename=filename, sha256=_hash(name), size=size)


def _debs() -> Iterator[Deb]:
    for name in ("libc6", "python3", "tini"):
        yield Deb(
            name=name,
            version="1",
            arch="amd64",
            sha256=_hash(name),
            size=1000,
            path=f"pool/{name}.deb",
            archive="bookworm",
        )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
