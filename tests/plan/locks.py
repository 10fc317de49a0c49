"""Locks made by hand, for plans that need no network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from lapstrake.definition.load import load
from lapstrake.definition.repository import Repository
from lapstrake.lock.model import Deb, Lock, Resolution, Wheel


def deb(name: str, version: str = "1") -> Deb:
    sha = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    return Deb(
        name=name,
        version=version,
        arch="amd64",
        sha256=sha,
        size=10,
        path=f"pool/{name}.deb",
        archive="bookworm",
    )


def wheel(name: str, version: str = "1.0", size: int = 1000) -> Wheel:
    sha = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    filename = f"{name}-{version}-py3-none-any.whl"
    return Wheel(name=name, version=version, filename=filename, sha256=sha, size=size)


def source(name: str) -> Wheel:
    return wheel(name).model_copy(update={"filename": f"{name}-1.0.tar.gz"})


def resolution(
    wheels: Sequence[Wheel], closures: Mapping[str, str], build: Sequence[Wheel] = ()
) -> Resolution:
    return Resolution(
        python="3.11",
        glibc="2.36",
        wheels=tuple(sorted(wheels, key=lambda w: w.name)),
        closures={k: tuple(sorted(v.split())) for k, v in closures.items()},
        build=tuple(build),
    )


def lock(
    roots: Sequence[Deb] = (),
    apt: Mapping[str, Sequence[Deb]] | None = None,
    **resolutions: Resolution,
) -> Lock:
    return Lock(
        platform="linux/amd64",
        epoch=1_700_000_000,
        roots={"base": tuple(roots) or (deb("libc6"), deb("tini"))},
        apt={k: tuple(v) for k, v in (apt or {}).items()},
        images={},
        resolutions=resolutions,
        inputs={},
    )


FAMILY = {
    "lapstrake.yaml": "name: fam\nversion: 1.0.dev1\nlayers: {large: 1MB}\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [tini]}\n",
    "images/slim/image.yaml": "extends: base\npython: {requirements: [server]}\n",
    "images/full/image.yaml": "extends: slim\nruntimes: all\n",
    "runtimes/a/runtime.yaml": "python: {requirements: [aa]}\n",
    "runtimes/b/runtime.yaml": "python: {requirements: [bb]}\n",
}

WHEELS = [
    wheel("server"),
    wheel("dep"),
    wheel("aa", size=2_000_000),
    wheel("bb"),
    wheel("both"),
]

CLOSURES = {
    "slim": "server dep",
    "a": "server dep aa both",
    "b": "server dep bb both",
    "full": "server dep aa bb both",
}


def repo_of(root: Path) -> Repository:
    return load(root)
