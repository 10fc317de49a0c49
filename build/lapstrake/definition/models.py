"""What the YAML files may say: one model a file or part of a file.

The docstrings and `Field` descriptions below are the reference that docs/reference.md prints.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from lapstrake.definition.channels import DEFAULT, ChannelSpec, wrong_channels
from lapstrake.definition.contents import CopySpec, FileSpec
from lapstrake.definition.cuda import CudaSpec
from lapstrake.definition.deploying import DataSpec, ServesSpec
from lapstrake.definition.fields import (
    ByteSize,
    Command,
    DebianPackage,
    EnvName,
    EnvValue,
    GithubName,
    ImageName,
    ImagePath,
    ImageReference,
    Port,
    RegistryPlace,
    RepositoryPath,
    RequirementText,
    VersionText,
    WebAddress,
)
from lapstrake.definition.matrix import Matrix
from lapstrake.definition.part import Part
from lapstrake.definition.qa import QaSpec


class FamilyPython(Part):
    """What holds for the Python of every image of the family."""

    constraints: list[RequirementText] = Field(
        default=[], description="bounds on packages that some image needs; they add none"
    )
    overrides: list[RequirementText] = Field(
        default=[], description="requirements that replace what packages themselves ask for"
    )
    version: str | None = Field(
        default=None,
        pattern=r"^3\.\d+$",
        description="the Python that the root must have; by default the one that it has",
    )
    bytecode: bool = Field(
        default=True,
        description="compile the wheels' modules, so that images start sooner and are a bit larger",
    )


class Layering(Part):
    """How an image's content is cut into layers."""

    budget: int = Field(default=40, ge=5, le=120, description="the most layers an image may have")
    large: ByteSize = Field(
        default=10_000_000, description="a wheel of this size or more gets a layer of its own"
    )


class DaggerSpec(Part):
    """How layers are built in a Dagger engine."""

    toolchain: str | None = Field(
        default=None,
        description="what layers are built in: REGISTRY/NAME@sha256:…, or the file of an archive "
        "or layout; by default the family's own image `toolchain`",
    )
    fetch: Literal["engine", "client"] = Field(
        default="engine",
        description="who fetches wheels and packages: `client` where the engine has no network",
    )


class IndexSpec(Part):
    """A package index that wheels are uploaded to."""

    name: ImageName = Field(
        description="what `--only` and the variables of its login call it; one that twine knows "
        "(~/.pypirc) needs nothing else"
    )
    upload: WebAddress | None = Field(
        default=None, description="where twine uploads to; by default what twine has for the name"
    )
    simple: WebAddress | None = Field(
        default=None,
        description="where the uploads can be read (PEP 503, 691); by default `simple/` beside "
        "what twine uploads to",
    )


def _index(value: object) -> object:
    """A bare name is an index that twine knows."""
    return {"name": value} if isinstance(value, str) else value


NamedIndex = Annotated[IndexSpec, BeforeValidator(_index, json_schema_input_type=str | IndexSpec)]


class ReleasePython(Part):
    """Which Python projects are released as wheels and source archives."""

    core: RepositoryPath = Field(
        default=".", description="the folder of the core project, if there is one"
    )
    bound: Literal["exact", "minor", "none"] = Field(
        default="exact",
        description="how a released project bounds what it requires of the others: this version, "
        "up to the next minor one, or as it says itself",
    )


class ReleaseSpec(Part):
    """What `lapstrake release` publishes to."""

    registries: list[RegistryPlace] = Field(
        default=[],
        description="where images go; the family's name is added. `{owner}` and `{name}` in it are "
        "those of the checkout's repository, so that a fork releases to places of its own",
    )
    indexes: list[NamedIndex] = Field(
        default=[], description="where wheels go; a bare name is one that twine knows"
    )
    github: str | None = Field(
        default=None,
        pattern=r"^([A-Za-z0-9-]+|\{owner\})/([A-Za-z0-9._-]+|\{name\})$",
        description="where the draft release goes, as OWNER/NAME; `{owner}/{name}` is the "
        "checkout's own repository",
    )
    python: ReleasePython = Field(default=ReleasePython(), description="see `release.python` below")
    files: list[RepositoryPath] = Field(
        default=[], description="more files and folders for the draft, such as deploy files"
    )

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [i.name for i in self.indexes] + self.registries
        if twice := sorted({n for n in names if names.count(n) > 1}):
            msg = f"two targets are called {twice[0]!r}"
            raise ValueError(msg)
        return self


class Family(Part):
    """`lapstrake.yaml`: the family as a whole."""

    name: ImageName = Field(description="the family's name; its images are pushed below it")
    version: VersionText = Field(default="0.0.0.dev0", description="the version being built")
    description: str = Field(default="", description="one sentence; becomes an OCI annotation")
    source: str = Field(default="", description="where the source is, as an OCI annotation")
    licenses: str = Field(default="", description="an SPDX expression, as an OCI annotation")
    vendor: str = Field(default="", description="who makes it, as an OCI annotation")
    platform: Literal["linux/amd64", "linux/arm64"] = Field(
        default="linux/amd64", description="what the images run on"
    )
    images: RepositoryPath = Field(default="images", description="the folder of the images")
    runtimes: RepositoryPath = Field(default="runtimes", description="the folder of the runtimes")
    slim: ImageName = Field(default="slim", description="what a runtime extends by default")
    python: FamilyPython = Field(default=FamilyPython(), description="see `python` below")
    layers: Layering = Field(default=Layering(), description="see `layers` below")
    dagger: DaggerSpec = Field(default=DaggerSpec(), description="see `dagger` below")
    release: ReleaseSpec = Field(default=ReleaseSpec(), description="see `release` below")
    channels: list[ChannelSpec] = Field(
        default=DEFAULT,
        description="where versions go after their release, in this order; by default `testing` "
        "for dev pre-releases, `staging` for candidates, `production` for releases whose candidate "
        "is in `staging`",
    )
    qa: QaSpec = Field(default=QaSpec(), description="see `qa` below")

    @field_validator("channels")
    @classmethod
    def _sound_channels(cls, value: list[ChannelSpec]) -> list[ChannelSpec]:
        if wrong := wrong_channels(value):
            raise ValueError(wrong)
        return value


class RootSpec(Part):
    """Where an image begins: Debian packages, or an image in a registry."""

    suite: str | None = Field(
        default=None, pattern=r"^[a-z]+$", description="the Debian or Ubuntu suite to bootstrap"
    )
    components: list[str] = Field(default=["main"], description="the archive's components")
    packages: list[DebianPackage] = Field(
        default=[], description="packages besides the essential ones and apt"
    )
    docs: bool = Field(
        default=False, description="keep manual pages, documentation and translations"
    )
    image: ImageReference | None = Field(
        default=None, description="an image to begin from; the lock pins its digest"
    )
    python: str | None = Field(
        default=None, pattern=r"^3\.\d+$", description="with `image`: the Python that it has"
    )
    os: str | None = Field(
        default=None,
        pattern=r"^[a-z]+[0-9][0-9.]*$",
        description="with `image`: the descriptive tag's last token, such as `debian12`",
    )
    interpreter: ImagePath | None = Field(
        default=None, description="with `image`: where that Python is; by default /usr/bin/python3"
    )
    glibc: str = Field(
        default="2.28", pattern=r"^2\.\d+$", description="with `image`: its C library's version"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.suite is None) == (self.image is None):
            msg = "root needs either a suite or an image"
            raise ValueError(msg)
        if self.image is not None and self.packages:
            msg = "root.packages go with a suite; over an image, use apt"
            raise ValueError(msg)
        return self


class PythonSpec(Part):
    """The Python packages of an image, over those of the image it extends."""

    requirements: list[RequirementText] = Field(default=[], description="what is to be installed")
    constraints: list[RequirementText] = Field(
        default=[], description="bounds on what is installed, for this image's sake"
    )
    project: RepositoryPath | None = Field(
        default=None,
        description="the folder of a Python project of this repository, below this file's folder "
        "or, with `//`, below the top (`//.` is the top); it is built to a wheel, and installed "
        "with what it requires",
    )


class PortSpec(Part):
    """A port that a service listens on, on 0.0.0.0."""

    port: Port = Field(description="the number")
    name: str = Field(default="", pattern=r"^[a-z0-9-]*$", description="what it is called")
    protocol: Literal["http", "grpc", "tcp"] = Field(default="tcp", description="what it speaks")
    path: str = Field(
        default="",
        pattern=r"^(/[^\s?#]*)?$",
        description="with `http`: what an ingress routes to it",
    )


class Health(Part):
    """How to see that a service is ready: a GET that answers 200."""

    port: Port = Field(description="one of the service's ports")
    path: str = Field(default="/", pattern=r"^/", description="the path to GET")


class Service(Part):
    """A process that supervisor keeps running."""

    name: ImageName = Field(description="its name; its log is /tmp/<name>.log")
    command: Command = Field(description="words, or a string split as a shell would")
    main: bool = Field(
        default=False, description="the one that runs alone when the container is not root"
    )
    ports: list[PortSpec] = Field(default=[], description="what it listens on")
    env: dict[EnvName, EnvValue] = Field(default={}, description="variables of this service alone")
    directory: ImagePath = Field(default="/", description="its working directory")
    user: str = Field(default="root", description="who runs it")
    health: Health | None = Field(default=None, description="how to see that it is ready")
    protocol: Literal["v2"] | None = Field(
        default=None, description="`v2`: it speaks the V2 inference protocol, and is checked for it"
    )

    @field_validator("ports", mode="before")
    @classmethod
    def _bare_numbers(cls, value: object) -> object:
        if isinstance(value, list):
            return [{"port": p} if isinstance(p, int) else p for p in value]
        return value

    @model_validator(mode="after")
    def _health_port(self) -> Self:
        if self.health and self.health.port not in {p.port for p in self.ports}:
            msg = f"health.port {self.health.port} is none of the service's ports"
            raise ValueError(msg)
        return self


class TagSpec(Part):
    """The first token of the descriptive tag: a service and where its version is read."""

    service: ImageName = Field(description="the token's name, such as `mlserver`")
    wheel: str | None = Field(default=None, description="the Python package that has the version")
    package: DebianPackage | None = Field(
        default=None, description="the Debian package that has the version"
    )

    command: Command | None = Field(
        default=None,
        description="for what is copied: says `version` when it is run in the image",
    )
    version: str | None = Field(
        default=None,
        pattern=r"^[0-9][0-9A-Za-z.]*$",
        description="with `command`: what it must say; a smoke check",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(s is not None for s in (self.wheel, self.package, self.command)) != 1:
            msg = "a tag's version comes from either a wheel or a package, or a command says it"
            raise ValueError(msg)
        if (self.command is None) != (self.version is None):
            msg = "a tag's command and version go together"
            raise ValueError(msg)
        return self


class RunSpec(Part):
    """Shell commands, run with `sh -e` in the image's files; what they change is a layer."""

    commands: list[str] = Field(min_length=1, description="lines for one shell")
    env: dict[EnvName, EnvValue] = Field(default={}, description="variables for these commands")


class Image(Part):
    """`images/NAME/image.yaml` or `runtimes/NAME/runtime.yaml`: one image."""

    name: ImageName | None = Field(default=None, description="by default the folder's name")
    description: str = Field(default="", description="one sentence; becomes an OCI annotation")
    owners: list[GithubName] = Field(
        default=[],
        description="GitHub logins, or OWNER/TEAM: whose the bugs of its tests are; by default "
        "those of the image below",
    )
    extends: ImageName | None = Field(
        default=None, description="the image that lies below; runtimes extend the family's slim"
    )
    root: RootSpec | None = Field(default=None, description="where it begins, if it extends none")
    runtimes: Literal["all"] | list[ImageName] = Field(
        default=[], description="runtimes whose layers this image unites; `all` but those apart"
    )
    matrix: Matrix | None = Field(default=None, description="values that make an image each")
    apart: bool = Field(
        default=False, description="resolve its wheels alone, and leave it out of `runtimes: all`"
    )
    optional: bool = Field(
        default=False,
        description="resolve its wheels alone, and build it only where it is named: for tools",
    )
    apt: list[DebianPackage] = Field(default=[], description="Debian packages over the one below")
    python: PythonSpec = Field(default=PythonSpec(), description="its Python packages")
    cuda: CudaSpec | None = Field(default=None, description="NVIDIA's CUDA in /usr/local/cuda")
    copy_: list[CopySpec] = Field(
        default=[], alias="copy", description="paths taken out of other images"
    )
    files: list[FileSpec] = Field(default=[], description="files of the repository")
    run: list[str | RunSpec] = Field(
        default=[], description="shell commands; those in a row make one layer"
    )
    env: dict[EnvName, EnvValue] = Field(default={}, description="the image's environment")
    services: list[Service] = Field(default=[], description="the processes it runs")
    volumes: list[ImagePath] = Field(default=[], description="folders that are mounted, and empty")
    data: list[DataSpec] = Field(
        default=[], description="files that `lapstrake-fetch` downloads into the volumes"
    )
    serves: list[ServesSpec] = Field(
        default=[], description="model formats, for KServe; by default a runtime's own name"
    )
    workdir: ImagePath | None = Field(default=None, description="the working directory")
    labels: dict[str, str] = Field(default={}, description="more labels and annotations")
    tag: TagSpec | None = Field(default=None, description="the descriptive tag's first token")
    size: ByteSize | None = Field(
        default=None, description="the most bytes of all layers, compressed; a smoke check"
    )

    @model_validator(mode="after")
    def _one_main(self) -> Self:
        mains = [s.name for s in self.services if s.main]
        if len(mains) > 1:
            msg = f"two main services: {', '.join(mains)}"
            raise ValueError(msg)
        return self
