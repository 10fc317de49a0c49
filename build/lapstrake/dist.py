"""dist/build.json: the contract between build and what comes after it.

dist/ is an OCI image layout (`oci-layout`, `index.json`, `blobs/`) with this file beside it.
Smoke tests, pushes and releases read dist/ alone; they build nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lapstrake.definition.deploying import DataSpec, ServesSpec
from lapstrake.definition.models import Service
from lapstrake.errors import UserError

BUILD_NAME = "build.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Token(_Part):
    """One part of a descriptive tag, and where in the image its truth is measured.

    `by` is `wheel:NAME`, `package:NAME`, `command:WORDS`, `python`, `cuda`, `cuda-flavour` or
    `os`.
    """

    name: str
    version: str
    by: str

    def __str__(self) -> str:
        return f"{self.name}{self.version}"


class Deploying(_Part):
    """What deploy files say of an image besides its services.

    Attributes:
        volumes: the folders that are to be mounted, sorted.
        data: what `lapstrake-fetch` downloads into them, sorted by path.
        serves: the model formats, sorted by name.
        ssh: whether it has an SSH server.
    """

    volumes: tuple[str, ...] = ()
    data: tuple[DataSpec, ...] = ()
    serves: tuple[ServesSpec, ...] = ()
    ssh: bool = False


class BuiltCuda(_Part):
    """An image's CUDA.

    Attributes:
        version: as exact as is known, such as `12.4.1`.
        source: `wheels`, or `root` where the image that it begins with has it.
        folder: the version as its folder has it: `12.4`.
    """

    version: str
    flavour: str
    source: str
    folder: str


class BuiltLayer(_Part):
    """One blob of an image: `id` is that of the layer it belongs to; sizes are bytes."""

    kind: str
    id: str
    title: str
    digest: str
    diff_id: str
    size: int
    unpacked: int
    toc: str = ""
    media_type: str
    state: Literal["built", "reused"]
    seconds: float


class BuiltImage(_Part):
    """One image of the family.

    Attributes:
        digest: `sha256:…` of its manifest; `config` that of its config.
        size: bytes of all its blobs as they are stored (layers compressed, and the config).
        tags: `<version>`, `<version>-slim` or `<version>-<name>`, then the descriptive tag.
        tokens: the parts of the descriptive tag; empty where it has none.
        requirements: normalised names of the Python packages asked for, not their dependencies.
        budget: the most bytes that `size` may be; None where none is stated.
        smoke: folders with smoke checks, below the repository, by the image that they belong to.
        python: `3.x` of its environment; None where it has none.
        plan: the id of the `ImagePlan` that it was built from.
    """

    name: str
    description: str
    extends: str | None
    digest: str
    config: str
    size: int
    layers: tuple[BuiltLayer, ...]
    tags: tuple[str, ...]
    tokens: tuple[Token, ...]
    services: tuple[Service, ...]
    env: dict[str, str]
    python: str | None
    requirements: tuple[str, ...]
    budget: int | None
    smoke: dict[str, str]
    seconds: float
    deploying: Deploying = Deploying()
    cuda: BuiltCuda | None = None
    plan: str = ""

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that its services declare, sorted."""
        return tuple(sorted({p.port for s in self.services for p in s.ports}))

    @property
    def main(self) -> Service | None:
        """The service that runs alone where the container isn't root."""
        return next((s for s in self.services if s.main), None)


class BuiltFile(_Part):
    """A wheel or a source archive of one of the repository's own projects, as it is released.

    Attributes:
        kind: what it is; it lies in dist/wheels/ or dist/sdists/.
        name: the file's own name.
        project: its project's normalised name; `version` as Python spells it.
        sha256: hexadecimal, without a prefix.
        size: bytes.
        layers: the ids of the layers that have the wheel's files, sorted.
        images: the names of the images that have it, sorted.
    """

    kind: Literal["wheel", "sdist"]
    name: str
    project: str
    version: str
    sha256: str
    size: int
    layers: tuple[str, ...]
    images: tuple[str, ...]

    def path(self, dist: Path) -> Path:
        """Where it lies."""
        return dist / f"{self.kind}s" / Path(self.name).name


class Build(_Part):
    """dist/build.json; `files` are sorted by kind and name."""

    format: Literal[1] = 1
    lapstrake: str
    family: str
    version: str
    platform: str
    epoch: int
    engine: str
    seconds: float
    images: tuple[BuiltImage, ...]
    files: tuple[BuiltFile, ...] = ()

    def image(self, name: str) -> BuiltImage:
        """The image called `name`; `UserError` where dist/ lacks it."""
        for image in self.images:
            if image.name == name:
                return image
        have = ", ".join(i.name for i in self.images)
        raise UserError(f"{name} is not in dist/", f"it holds {have}; build it first")


def read_build(dist: Path) -> Build:
    """Read dist/build.json; `UserError` where there is none or it can't be read."""
    path = dist / BUILD_NAME
    try:
        return Build.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{dist} holds no build", "run `lapstrake build` first") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(x) for x in first["loc"])
        raise UserError(
            f"{path} can't be read: {where}: {first['msg']}", "build again with this lapstrake"
        ) from None
