"""A layer of every kind, and one of each way in which they refer to others."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lapstrake.layers.kinds import (
    Bootstrap,
    BuiltWheel,
    Copy,
    FileEntry,
    Files,
    Interpreter,
    Layer,
    Pulled,
    Run,
    Wheels,
)
from lapstrake.lock.model import Deb, Wheel
from lapstrake.plan.model import Config, ImagePlan, Plan

REGISTRY = "registry.example.org"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def deb(name: str) -> Deb:
    return Deb(
        name=name,
        version="1",
        arch="amd64",
        sha256=digest(name),
        size=10,
        path=f"pool/{name}.deb",
        archive="bookworm-security",
    )


def wheel(name: str, suffix: str = "-py3-none-any.whl") -> Wheel:
    return Wheel(
        name=name, version="1.0", filename=f"{name}-1.0{suffix}", sha256=digest(name), size=100
    )


def source_file(path: Path, to: str) -> FileEntry:
    return FileEntry(to, 0o755, sha256=digest(path.read_text()), source=path)


ROOT = Bootstrap(
    "bookworm", "bookworm", ("main",), (deb("libc6"), deb("python3.11-minimal")), False, 7, 3
)
APT = Run("apt file", (ROOT,), (deb("file"),), (), (), 7)
PULLED = Pulled("root python", f"{REGISTRY}/python:3", f"sha256:{digest('python')}", "linux/amd64")
PACKAGED = Interpreter("cpython 3.11.2", "/usr/bin/python3.11", (ROOT,))
FOREIGN = Interpreter(PULLED.digest, "/usr/local/bin/python3", (PULLED,))
BUILT = BuiltWheel(wheel("old", ".tar.gz"), (wheel("setuptools"),), (ROOT, APT))

NUMPY = Wheels("numpy 1.0", "3.11", "2.36", (wheel("numpy"),), PACKAGED)
OTHERS = Wheels("2 wheels", "3.11", "2.36", (wheel("aa"), BUILT), FOREIGN)
OWN = BuiltWheel(wheel("one", ".tar.gz"), (wheel("hatchling"),), (ROOT,), own=True)
PROJECT = Wheels("one 1.0", "3.11", "2.36", (OWN,), PACKAGED)
PLAIN = Wheels("plain", "3.11", "2.36", (wheel("bb"),))


def files(folder: Path) -> Files:
    """A layer of generated and of the repository's files; one name is a pattern's."""
    paths = [folder / "runtimes/x/run.sh", folder / "shared/[a]*.txt"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {path.name}")
    return Files(
        "files of x",
        (
            FileEntry.of("/etc/generated", bytes(range(256))),
            FileEntry("/opt", 0o755, "dir"),
            source_file(paths[0], "/opt/run.sh"),
            source_file(paths[1], "/opt/text"),
            FileEntry("/opt/to", 0o777, "symlink", target="run.sh"),
        ),
    )


def layers(folder: Path) -> tuple[Layer, ...]:
    """All of them, each after those that it is made of."""
    made = files(folder)
    below = (ROOT, APT, NUMPY, made)
    run = Run("run make", below, (), ("make\n", "true"), (("A", "1"), ("B", "two words")), 7)
    copied = Copy("1 paths", "", "", "linux/amd64", (*below, run), (("/made", "/taken"),))
    taken = Copy(
        "2 paths",
        f"{REGISTRY}/tools:1",
        f"sha256:{digest('tools')}",
        "linux/amd64",
        (),
        (("/a", "/a"), ("/b", "/c")),
    )
    return (ROOT, APT, PULLED, NUMPY, OTHERS, PLAIN, made, run, copied, taken)


def plan(all_layers: tuple[Layer, ...]) -> Plan:
    """A plan of one image that has them all."""
    config = Config(
        env=(("LANG", "C.UTF-8"),),
        entrypoint=("/sbin/boot",),
        workdir="/",
        volumes=(),
        ports=(8080,),
        labels=(("a", "b"),),
    )
    image = ImagePlan(
        name="all",
        description="",
        extends=None,
        layers=all_layers,
        config=config,
        annotations=(("org.opencontainers.image.title", "all"),),
        tags=("1",),
        tokens=(),
        services=(),
        python="3.11",
        requirements=(),
        budget=None,
        smoke=(),
    )
    return Plan("family", "1", "linux/amd64", 7, (image,))
