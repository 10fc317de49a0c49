"""A release of the family beside what is typed by hand: `docker push` of each image, and twine.

Both sides publish the same images, built and tested before any clock runs, and the same wheel and
source archive; each has a registry and a package index of its own on loopback. Lapstrake's does
more with them: it checks the targets, reads every image back, and moves the public names last.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.figures import OWN, Figure, Goal
from bench.index import serve_index
from bench.registry import Registry, serve
from bench.repositories import copy_repository
from bench.setting import IMAGES, PYTHON, Setting, lapstrake, say, seconds
from lapstrake import process

BY_HAND = "docker push and twine"
_VERSION = "1.0.0"
_PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "lapstrake-bench"
version = "0.1.0.dev0"
description = "What the benchmark releases beside the images"
readme = "README.md"
requires-python = ">=3.9"

[tool.setuptools]
py-modules = ["lapstrake_bench"]
"""


@dataclass(frozen=True)
class _Places:
    """Where one side publishes to."""

    registry: Registry
    index: str


def measure_release(setting: Setting) -> list[Figure]:
    """Seconds of a release of what is built and tested, and of the same by hand.

    Raises:
        UserError: a command fails, or the two sides' images differ.
    """
    work = setting.work / "release"
    repository = _repository(work / "repository")
    dist = work / "dist"
    with _places(work / "own") as own, _places(work / "hand") as hand:
        _aim(repository, own)
        say("release: images, wheel and checks, before any clock runs")
        # builds and tests all of it, and publishes to loopback servers of its own
        lapstrake("release", _VERSION, "--snapshot", "--dist", dist, repository=repository)
        took = {OWN: _released(repository, dist), BY_HAND: _by_hand(setting, dist, hand)}
        sent = {OWN: float(own.registry.size()), BY_HAND: float(hand.registry.size())}
    bound = Goal(4, BY_HAND)
    return [
        Figure("release of what is built: images and a wheel", "s", took, (bound,)),
        Figure("release: bytes in the registry", "B", sent),
    ]


@contextlib.contextmanager
def _places(folder: Path) -> Iterator[_Places]:
    with serve(folder / "registry") as registry, serve_index(folder / "index") as index:
        yield _Places(registry, index)


def _repository(into: Path) -> Path:
    """The family with a core project, all of it committed."""
    copy_repository(into)
    (into / "pyproject.toml").write_text(_PROJECT)
    (into / "README.md").write_text("# What the benchmark releases beside the images\n")
    (into / "lapstrake_bench.py").write_text('"""A module."""\n')
    return into


def _aim(repository: Path, places: _Places) -> None:
    """Write down where the release goes, and commit."""
    path = repository / "lapstrake.yaml"
    family = yaml.safe_load(path.read_text())
    index = {"name": "bench", "upload": places.index, "simple": f"{places.index}simple/"}
    family["release"] = {"registries": [places.registry.host], "indexes": [index]}
    path.write_text(yaml.safe_dump(family, sort_keys=False))
    author = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Bench"]):
        process.run(["git", "-C", repository, *author, *words])


def _released(repository: Path, dist: Path) -> float:
    os.environ |= {"TWINE_BENCH_USERNAME": "bench", "TWINE_BENCH_PASSWORD": "bench"}
    words = ("release", _VERSION, "--prebuilt", "--dist", dist)
    return seconds(lambda: lapstrake(*words, repository=repository))


def _by_hand(setting: Setting, dist: Path, places: _Places) -> float:
    """Seconds of the pushes and the upload; the engine has the images before."""
    prefix = f"{places.registry.host}/lapstrake-{setting.run_id}:{_VERSION}"
    references = {n: f"{prefix}-{n}" for n in IMAGES}
    try:
        for name, reference in references.items():
            process.run(["skopeo", "copy", f"oci:{dist}:{name}", f"docker-daemon:{reference}"])
        say("release: by hand")
        return seconds(lambda: _typed(setting, dist, references, places.index))
    finally:
        for reference in references.values():
            process.run([setting.docker, "rmi", "--force", reference], check=False)


def _typed(setting: Setting, dist: Path, references: Mapping[str, str], index: str) -> None:
    for reference in references.values():
        process.run([setting.docker, "push", reference])
    files = [*sorted((dist / "wheels").iterdir()), *sorted((dist / "sdists").iterdir())]
    login = ["--username", "bench", "--password", "bench", "--non-interactive"]
    process.run([PYTHON, "-m", "twine", "upload", *login, "--repository-url", index, *files])
