"""The container engine: Docker, or what speaks its API (Podman's socket).

Containers that are made here are remembered here, and removed by `close`; those of a command that
was killed, by the next one. Images stay: the engine keeps their layers for the next time.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lapstrake import process
from lapstrake.dist import Build, BuiltImage
from lapstrake.errors import UserError
from lapstrake.smoke.owner import OWNER, remove_abandoned, this_process
from lapstrake.smoke.registry import serve

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container
    from testcontainers.core.container import DockerContainer

LABEL = "lapstrake.smoke"

# An import of a large package in an image that was never read before takes its time.
_ANSWER_SECONDS = 300
_LOADS = 3

_HINT = "start one (`systemctl start docker`), or point DOCKER_HOST at one; see `lapstrake doctor`"


@dataclass(frozen=True)
class Start:
    """How a container is to be started.

    Attributes:
        ports: those to publish, on free ports of this machine.
        user: `UID:GID`; root where it is empty. Such a user gets no capabilities either.
        writable: folders that are empty and anyone's, in an image that is read-only otherwise.
        volumes_of: the id of a container whose volumes are mounted, read-only.
    """

    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    user: str = ""
    writable: tuple[str, ...] = ()
    volumes_of: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """What Docker calls it."""
        found: dict[str, Any] = {"labels": _labels()}
        if self.user:
            found |= {
                "user": self.user,
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges"],
            }
        if self.writable:
            found["read_only"] = True
        if self.volumes_of:
            found["volumes_from"] = [f"{self.volumes_of}:ro"]
        return found


class Engine:
    """The engine that DOCKER_HOST names, or the one on the default socket.

    Raises:
        UserError: the libraries are missing, or no engine answers.
    """

    def __init__(self) -> None:
        self.client = open_docker()
        remove_abandoned(self.client)
        self.shares_loopback = _shares_loopback(self.client)
        self._lock = threading.Lock()
        self._containers: list[Container] = []
        self._loaded: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def description(self) -> str:
        """Its name and version, for the report."""
        about: dict[str, Any] = self.client.version()
        parts = about.get("Components") or [{"Name": "Docker", "Version": about.get("Version")}]
        return f"{parts[0]['Name']} {parts[0]['Version']}"

    def start(self, image_id: str, how: Start) -> DockerContainer:
        """Start a container; `UserError` with the engine's own words where it can't."""
        from docker.errors import DockerException
        from testcontainers.core.container import DockerContainer

        container = DockerContainer(
            image_id, docker_client_kw={"timeout": _ANSWER_SECONDS}, env=dict(how.env)
        ).with_kwargs(**how.options)
        # as Kubernetes has an emptyDir: anyone's, and programs in it can be run
        container.tmpfs = dict.fromkeys(how.writable, "mode=1777,exec")
        if how.command:
            container.with_command(list(how.command))
        address = "127.0.0.1" if self.shares_loopback else "0.0.0.0"  # noqa: S104
        # with_bind_ports knows no address, and would publish on all of this machine's
        published: dict[str, Any] = {f"{p}/tcp": (address, None) for p in how.ports}
        container.ports = published
        try:
            container.start()
        except DockerException as error:
            raise UserError(f"the container doesn't start: {_words(error)}") from error
        finally:
            if container._container is not None:  # made, though perhaps not started
                self._remember(container._container)
        return container

    def run(
        self, image_id: str, command: Sequence[str], user: str = "", *, gpus: bool = False
    ) -> tuple[int, str]:
        """Run a command in a container of its own; its exit code and what it said.

        With `gpus` it is given all of the engine's; `UserError` where the engine can't.
        """
        from docker.errors import APIError
        from docker.types import DeviceRequest

        every = [DeviceRequest(count=-1, capabilities=[["gpu"]])] if gpus else None
        container = self._create(image_id, command, user=user, device_requests=every)
        try:
            try:
                container.start()
            except APIError as error:
                if gpus:
                    raise UserError(_words(error)) from error
                raise
            code = int(container.wait(timeout=_ANSWER_SECONDS)["StatusCode"])
            return code, container.logs().decode(errors="replace")
        finally:
            self.remove(container)

    def create(self, image_id: str, command: Sequence[str], *, stdin_open: bool, tty: bool) -> str:
        """Make a container, which a program of the engine's is to start; its id."""
        return str(self._create(image_id, command, stdin_open=stdin_open, tty=tty).id)

    def hold(self, image_id: str) -> None:
        """Keep an image from being removed until `close`, by a container that never starts."""
        from docker.errors import APIError, ImageNotFound

        try:
            self._create(image_id, ["true"])
        except ImageNotFound:
            raise
        except APIError:
            pass  # what is wrong with the image, a check says when it starts it

    def _create(self, image_id: str, command: Sequence[str], **how: Any) -> Container:
        container = self.client.containers.create(
            image_id, command=list(command), labels=_labels(), **how
        )
        self._remember(container)
        return container

    def remove(self, container: Container) -> None:
        """Remove a container at once, with its anonymous volumes."""
        from docker.errors import DockerException

        with self._lock:
            if container in self._containers:
                self._containers.remove(container)
        with contextlib.suppress(DockerException):
            container.remove(force=True, v=True)

    def close(self, *, images: bool = False) -> None:
        """Remove what was made here: the containers; with `images`, loaded images too."""
        from docker.errors import DockerException

        for container in list(self._containers):
            self.remove(container)
        if images:
            for reference, image_id in self._loaded:
                with contextlib.suppress(DockerException):
                    if self.client.images.get(reference).id == image_id:
                        self.client.images.remove(reference)
        self.client.close()

    def name(self, image_id: str, repository: str, tag: str) -> None:
        """Tag an image; the name that it was pulled by, a port of ours, is taken off."""
        from docker.errors import DockerException

        image = self.client.images.get(image_id)
        image.tag(repository, tag)
        with self._lock:
            self._loaded.append((f"{repository}:{tag}", image_id))
        for reference in image.attrs.get("RepoDigests") or ():
            if reference.startswith("127.0.0.1:"):
                with contextlib.suppress(DockerException):
                    self.client.images.remove(reference)

    def _remember(self, container: Container) -> None:
        with self._lock:
            self._containers.append(container)

    # --- getting images into it --------------------------------------------------------------

    @contextlib.contextmanager
    def source(self, dist: Path, build: Build) -> Iterator[Source]:
        """What gives the images of dist/ to the engine, as long as the context lasts."""
        with serve(dist, build) as address:
            yield Source(self, address, build)


class Source:
    """Gives images to an engine: it pulls from `address`, or skopeo copies to it."""

    def __init__(self, engine: Engine, address: str, build: Build) -> None:
        self._engine = engine
        self._address = address
        self._build = build

    def load(self, image: BuiltImage) -> str:
        """The engine's id of the image, which is pulled where the engine lacks it.

        It stays as long as our engine is open, whatever a `smoke --remove` beside us removes.

        Raises:
            UserError: the engine can't take it.
        """
        from docker.errors import ImageNotFound

        for _ in range(_LOADS):
            # what was there a moment ago may be removed before a container holds it
            with contextlib.suppress(ImageNotFound):
                found = self._present(image) or self._fetch(image)
                repository = f"localhost/{self._build.family}/{image.name}"
                self._engine.name(found, repository, image.tags[0])
                self._engine.hold(found)
                return found
        raise UserError(f"something removes {image.name} from the engine as soon as it is there")

    def _fetch(self, image: BuiltImage) -> str:
        from docker.errors import DockerException

        reference = f"{self._address}/{self._build.family}/{image.name}@{image.digest}"
        try:
            return self._pull(reference)
        except (DockerException, UserError) as error:
            return self._copy(reference, image, error)

    def _present(self, image: BuiltImage) -> str | None:
        """An engine knows an image by its config, or (containerd's store) by its manifest."""
        from docker.errors import ImageNotFound

        for digest in (image.config, image.digest):
            with contextlib.suppress(ImageNotFound):
                return str(self._engine.client.images.get(digest).id)
        return None

    def _pull(self, reference: str) -> str:
        if not self._engine.shares_loopback:
            raise UserError("the engine is elsewhere")
        repository, _, digest = reference.partition("@")
        for event in self._engine.client.api.pull(repository, tag=digest, stream=True, decode=True):
            if "error" in event:
                raise UserError(str(event["error"]).splitlines()[0])
        images = self._engine.client.images
        return str(images.get(reference).id)

    def _copy(self, reference: str, image: BuiltImage, why: Exception) -> str:
        """Through skopeo and the engine's API: for one on another machine, or Podman."""
        target = f"localhost/{self._build.family}/{image.name}:{image.tags[0]}"
        args: list[str | Path] = ["skopeo", "copy", "--quiet", "--src-tls-verify=false"]
        if host := os.environ.get("DOCKER_HOST"):
            args.append(f"--dest-daemon-host={host}")
        args += [f"docker://{reference}", f"docker-daemon:{target}"]
        process.run(args, failure=f"the engine can't take {image.name}: {_words(why)}")
        return str(self._engine.client.images.get(target).id)


def _labels() -> dict[str, str]:
    """Whose the containers are that are made here."""
    return {LABEL: str(os.getpid()), OWNER: this_process()}


def open_docker() -> DockerClient:
    """A client of the engine that DOCKER_HOST names, or of the one on the default socket.

    Raises:
        UserError: the libraries are missing, or no engine answers.
    """
    # containers are removed by us, also after ^C: no helper container needs to watch over that
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    try:
        import docker
        from testcontainers.core.config import testcontainers_config
    except ImportError as error:
        raise UserError(
            f"the smoke tests need the Python package {error.name}",
            "pip install 'lapstrake[smoke]'",
        ) from None
    testcontainers_config.ryuk_disabled = True
    try:
        client = docker.from_env(timeout=_ANSWER_SECONDS)
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        raise UserError("no Docker engine answers", _HINT, (_words(error),)) from None
    return client


def _shares_loopback(client: DockerClient) -> bool:
    """Whether 127.0.0.1 is the same for the engine and us.

    Not where it is on another machine, nor where we are in a container of the engine's: its
    bridge's address is none of ours then.
    """
    from testcontainers.core.utils import inside_container

    if not str(client.api.base_url).startswith("http+docker"):
        return False
    if not inside_container():
        return True
    bridges = client.networks.list(names=["bridge"])
    configs = [c for b in bridges for c in b.attrs["IPAM"].get("Config") or ()]
    with socket.socket() as probe:
        for config in configs:
            with contextlib.suppress(OSError):
                probe.bind((bridge_address(config), 0))
                return True
    return False


def bridge_address(config: Mapping[str, str]) -> str:
    """The engine's own address on a bridge.

    Args:
        config: one of the bridge's `IPAM.Config`; engines before 23 leave out the gateway of a
            bridge that is new.
    """
    return config.get("Gateway") or str(ipaddress.ip_network(config["Subnet"])[1])


def _words(error: Exception) -> str:
    """The engine's own words, on one line."""
    if isinstance(error, UserError):
        return error.message
    text = str(getattr(error, "explanation", None) or error)
    return " ".join(text.split())
