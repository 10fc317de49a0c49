"""The five kinds of layer, as values.

A layer is a pure function of its inputs, and its id is a SHA-256 over them: two layers with one
id have the same bytes, on whichever machine they were made. Nothing here touches a file.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from lapstrake.layers.fixed import PREFIX
from lapstrake.lock.model import Deb, Wheel

Json = dict[str, object]

# Raised whenever the bytes that a kind's builder writes change for the same inputs; `bytecode` is
# what wheels' modules are compiled to, and goes with `wheels`, as does `own`: what the
# repository's own projects are built to.
RECIPES = {"root": 2, "run": 2, "wheels": 3, "files": 1, "copy": 1, "bytecode": 2, "own": 1}

# Raised whenever other links are made to the files of CUDA's wheels.
_LINKS = 1


@dataclass(frozen=True)
class Layer(ABC):
    """A layer: what it is made from, and a title for people."""

    kind: ClassVar[str]
    title: str

    @abstractmethod
    def inputs(self) -> Json:
        """All that the layer's bytes depend on, as plain JSON; sorted where order is no matter."""

    @cached_property
    def id(self) -> str:
        """64 hexadecimal digits: the SHA-256 of kind, recipe and inputs."""
        return digest_of({"kind": self.kind, "recipe": RECIPES[self.kind], "in": self.inputs()})


def digest_of(value: object) -> str:
    """The SHA-256 (64 hexadecimal digits) of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Bootstrap(Layer):
    """`Root`: a root filesystem made from Debian packages.

    `debs` is the whole set, sorted by name; `epoch` is the newest modification time in it;
    `blobs` is the most blobs that it may have.
    """

    kind = "root"
    suite: str
    components: tuple[str, ...]
    debs: tuple[Deb, ...]
    docs: bool
    epoch: int
    blobs: int = 1

    def inputs(self) -> Json:
        """Suite, packages by hash, options, epoch, number of blobs."""
        return {
            "suite": self.suite,
            "packages": {f"{d.name}:{d.arch}": f"{d.version} {d.sha256}" for d in self.debs},
            "docs": self.docs,
            "epoch": self.epoch,
            "blobs": self.blobs,
        }


@dataclass(frozen=True)
class Pulled(Layer):
    """`Root`: the layers of an image in a registry, as they are.

    `reference` says where it was found, and is no input: the digest is the image.
    """

    kind = "root"
    reference: str
    digest: str
    platform: str

    def inputs(self) -> Json:
        """The image's digest and the platform chosen from it."""
        return {"digest": self.digest, "platform": self.platform}


@dataclass(frozen=True)
class Run(Layer):
    """`Run`: apt packages, then shell commands, over the layers below.

    `debs` are all packages that apt adds; each script of `scripts` is one `sh -e`.
    """

    kind = "run"
    below: tuple[Layer, ...]
    debs: tuple[Deb, ...]
    scripts: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    epoch: int

    def inputs(self) -> Json:
        """Commands, packages by hash, environment, epoch, and the ids of all layers below."""
        return {
            "below": [layer.id for layer in self.below],
            "packages": {f"{d.name}:{d.arch}": f"{d.version} {d.sha256}" for d in self.debs},
            "commands": list(self.scripts),
            "env": dict(self.env),
            "epoch": self.epoch,
        }


@dataclass(frozen=True)
class BuiltWheel:
    """A wheel that is first built from a source archive, in `root`'s own Python.

    `tools` are the wheels that its build backend needs. `own` is one of the repository's own
    projects, which no index has: it is built to a wheel and a source archive that are released.
    """

    source: Wheel
    tools: tuple[Wheel, ...]
    root: tuple[Layer, ...]
    own: bool = False

    @property
    def name(self) -> str:
        """The package's normalised name."""
        return self.source.name

    def inputs(self) -> Json:
        """The archive, what builds it, and where."""
        found: Json = {
            "source": self.source.sha256,
            "tools": sorted(t.sha256 for t in self.tools),
            "root": [layer.id for layer in self.root],
        }
        return {**found, "own": RECIPES["own"]} if self.own else found

    @property
    def key(self) -> str:
        """64 hexadecimal digits: what the cache keeps by what is built."""
        return digest_of(self.inputs())


@dataclass(frozen=True)
class Interpreter:
    """The image's own Python, which compiles the modules of wheels.

    `version` says what it makes of a source: that of its release, without the distribution's
    revision (a security update of Debian's Python compiles as the one before), or the digest of
    the image that it comes in. `path` is where it lies in `layers`, bottom to top.
    """

    version: str
    path: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Wheels(Layer):
    """`Wheels`: locked wheels laid out as an environment; depends on nothing below it.

    `python` is the `3.x` whose environment at `PREFIX` they go into; wheels are sorted by name.
    `glibc` helps to find them, and is no input: the hashes say which files they are. Where there
    is an `interpreter`, their modules lie beside them compiled; its version alone is an input.
    With `cuda`, a version such as `12.4`, what NVIDIA's wheels bring is also linked to from that
    toolkit's folder in /usr/local.
    """

    kind = "wheels"
    python: str
    glibc: str
    wheels: tuple[Wheel | BuiltWheel, ...]
    interpreter: Interpreter | None = None
    cuda: str = ""

    def inputs(self) -> Json:
        """The wheels' hashes, the target layout, and what compiles them."""
        return {
            **({"cuda": f"{self.cuda} {_LINKS}"} if self.cuda else {}),
            "python": self.python,
            "prefix": PREFIX,
            "bytecode": self.interpreter.version if self.interpreter else "",
            "wheels": {
                w.name: w.inputs() if isinstance(w, BuiltWheel) else f"{w.version} {w.sha256}"
                for w in self.wheels
            },
        }


def bytecode_key(layer: Wheels, wheel: Wheel | BuiltWheel) -> str:
    """The name (64 hexadecimal digits) of a wheel's compiled modules; of a layer that has them."""
    source = digest_of(wheel.inputs()) if isinstance(wheel, BuiltWheel) else wheel.sha256
    return key_of(source, layer.interpreter.version if layer.interpreter else "", layer.python)


def key_of(source: str, version: str, python: str) -> str:
    """See `bytecode_key`; `source` is the wheel's SHA-256, or that of its inputs."""
    return digest_of({"bytecode": [RECIPES["bytecode"], source, version, python, PREFIX]})


@dataclass(frozen=True)
class FileEntry:
    """One entry of a `Files` layer.

    `path` is absolute in the image. The content is `data`, or that of the repository's file
    `source` (whose SHA-256 is `sha256`, known when the plan was made); `target` is a link's.
    """

    path: str
    mode: int
    type: Literal["file", "dir", "symlink"] = "file"
    uid: int = 0
    gid: int = 0
    sha256: str = ""
    data: bytes | None = None
    source: Path | None = None
    target: str = ""

    @classmethod
    def of(cls, path: str, data: bytes, mode: int = 0o644) -> FileEntry:
        """A generated file, owned by root."""
        return cls(path, mode, sha256=hashlib.sha256(data).hexdigest(), data=data)


@dataclass(frozen=True)
class Files(Layer):
    """`Files`: files of the repository, or generated ones; `entries` are sorted by path."""

    kind = "files"
    entries: tuple[FileEntry, ...]

    def inputs(self) -> Json:
        """Content, mode and owner of each path."""
        return {
            "files": {
                e.path: f"{e.type} {e.mode:04o} {e.uid}:{e.gid} {e.target or e.sha256}"
                for e in self.entries
            }
        }


@dataclass(frozen=True)
class Copy(Layer):
    """`Copy`: paths taken out of another image.

    The image is one in a registry (`digest` is its own, `reference` where it was found), or one
    of the family, whose layers are `layers`. `paths` are (from, to) pairs, sorted.
    """

    kind = "copy"
    reference: str
    digest: str
    platform: str
    layers: tuple[Layer, ...]
    paths: tuple[tuple[str, str], ...]

    def inputs(self) -> Json:
        """The image's digest (or its layers' ids) and the paths."""
        return {
            "image": self.digest or [layer.id for layer in self.layers],
            "platform": self.platform,
            "paths": [list(pair) for pair in self.paths],
        }
