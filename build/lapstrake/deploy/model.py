"""What is to be deployed, as a value: where the image is, and what it says of itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lapstrake.definition.check import SSH_PORT
from lapstrake.definition.models import PortSpec, Service
from lapstrake.dist import Build, BuiltImage, Deploying
from lapstrake.errors import UserError
from lapstrake.plan.model import ImagePlan, Plan

Json = dict[str, object]

# Who runs where nobody has to be root: an id that no Debian image gives away. Its group is 0, as
# on OpenShift, where the id is another in every project.
USER, GROUP = 12345, 0

# Where KServe mounts a model.
MODELS = "/mnt/models"

# Where anyone may write, also where the image's own files are mounted read-only.
SCRATCH = "/tmp"  # noqa: S108

# The longest name that Kubernetes takes for a Service.
_LONGEST = 63

# What NVIDIA's container toolkit looks for.
_GPU = "NVIDIA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Deployable:
    """One image in a registry.

    Attributes:
        repository: `HOST/PATH`, without tag and digest.
        tag: the release's own; `tags` are all, it first.
        digest: `sha256:…` of its manifest; empty where nobody knows.
        gpu: whether it wants one.
    """

    family: str
    version: str
    name: str
    description: str
    repository: str
    tags: tuple[str, ...]
    digest: str
    services: tuple[Service, ...]
    about: Deploying
    gpu: bool

    @classmethod
    def of_plan(cls, plan: Plan, image: ImagePlan, repository: str, digest: str) -> Deployable:
        """An image of the definition."""
        return cls(
            family=plan.family,
            version=plan.version,
            name=image.name,
            description=image.description,
            repository=repository,
            tags=image.tags,
            digest=digest,
            services=image.services,
            about=image.deploying,
            gpu=_wants_gpu(dict(image.config.env)),
        )

    @classmethod
    def of_build(cls, build: Build, image: BuiltImage, repository: str) -> Deployable:
        """An image of dist/."""
        return cls(
            family=build.family,
            version=build.version,
            name=image.name,
            description=image.description,
            repository=repository,
            tags=image.tags,
            digest=image.digest,
            services=image.services,
            about=image.deploying,
            gpu=_wants_gpu(image.env),
        )

    @property
    def tag(self) -> str:
        """The release's own tag."""
        return self.tags[0]

    @property
    def reference(self) -> str:
        """What a runtime pulls: by digest where one is known."""
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}"

    @property
    def main(self) -> Service | None:
        """The service that runs alone where the container isn't root."""
        return next((s for s in self.services if s.main), None)

    @property
    def first(self) -> Service:
        """The service that stands for the image: the main one, else one that says its health.

        Raises:
            UserError: it has no service.
        """
        if not self.services:
            raise UserError(f"{self.name} runs no service: there is nothing to deploy")
        ordered = sorted(self.services, key=lambda s: (not s.main, s.health is None, not s.ports))
        return ordered[0]

    @property
    def alone(self) -> bool:
        """Whether one service is all that there is, so that nobody has to be root."""
        return len(self.services) == 1 and self.services[0].main

    @property
    def ports(self) -> tuple[PortSpec, ...]:
        """Every port of every service, sorted."""
        return tuple(sorted((p for s in self.services for p in s.ports), key=lambda p: p.port))

    @property
    def writable(self) -> tuple[str, ...]:
        """The folders that something may be written to, sorted."""
        return tuple(sorted({SCRATCH, *self.about.volumes}))

    @property
    def object_name(self) -> str:
        """`FAMILY-NAME`, as Kubernetes takes a name (RFC 1035).

        Raises:
            UserError: it would be too long.
        """
        name = re.sub(r"[^a-z0-9-]", "-", f"{self.family}-{self.name}")
        name = name if name[0].isalpha() else f"i-{name}"
        if len(name) > _LONGEST:
            raise UserError(
                f"{name} is longer than the {_LONGEST} characters that Kubernetes takes",
                f"shorten the name of {self.name} or of the family",
            )
        return name

    def volume_name(self, path: str) -> str:
        """What a volume is called: by its path, as Kubernetes takes a name; no two alike."""
        name = _words(path)
        if [_words(p) for p in self.writable].count(name) == 1:
            return name
        return f"{name[:40].strip('-')}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"

    def port_names(self) -> Iterator[tuple[PortSpec, str]]:
        """Every port with a name that Kubernetes takes (RFC 6335), each name once."""
        taken: set[str] = set()
        for port in self.ports:
            name = re.sub(r"-+", "-", port.name).strip("-")
            if not _is_port_name(name) or name in taken:
                name = f"{port.protocol}-{port.port}"
            taken.add(name)
            yield port, name

    @property
    def ssh_name(self) -> str:
        """What SSH's port is called beside the others."""
        return "ssh-22" if "ssh" in {name for _, name in self.port_names()} else "ssh"

    def need_ports(self) -> tuple[PortSpec, ...]:
        """Every port; `UserError` where there is none."""
        if self.first and not self.ports:
            raise UserError(
                f"no service of {self.name} has a port: there is nothing to route to",
                "give one `ports:`",
            )
        return self.ports


def _words(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:_LONGEST].strip("-") or "root"


def _is_port_name(name: str) -> bool:
    return 0 < len(name) <= 15 and re.search("[a-z]", name) is not None


def _wants_gpu(env: dict[str, str]) -> bool:
    return env.get(_GPU, "void") not in {"", "void", "none"}


def offers_ssh(image: Deployable) -> bool:
    """Whether it runs as root and lets people in who have a key, on port 22."""
    return image.about.ssh and SSH_PORT not in {p.port for p in image.ports}
