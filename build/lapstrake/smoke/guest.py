"""A running container, as the checks see it."""

from __future__ import annotations

import io
import re
import shlex
import tarfile
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lapstrake.smoke.checking import Failed
from lapstrake.smoke.engine import Engine
from lapstrake.smoke.execute import Said, execute

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.container import DockerContainer

TAIL_LINES = 20

# How often to look whether a service that doesn't answer has ended.
_LOOK_SECONDS = 1.0

_STATUS = re.compile(r"(\S+)\s+RUNNING\s+pid (\d+)")


class Guest:
    """A started container; `alone` where its main service runs without supervisor."""

    def __init__(self, engine: Engine, started: DockerContainer, *, alone: bool = False) -> None:
        self.engine = engine
        self.alone = alone
        self._began = time.monotonic()
        self._started = started
        self.container: Container = started.get_wrapped_container()

    @cached_property
    def host(self) -> str:
        """The address at which the published ports answer."""
        if self.engine.shares_loopback:
            return "127.0.0.1"
        return self._started.get_container_host_ip()

    def port(self, inside: int) -> int:
        """The published number of a port inside; `Failed` where the container has ended."""
        if not self.alive:
            raise Failed("a running container", self.how_it_ended)
        if not self._started.get_docker_client().get_connection_mode().use_mapped_port:
            return inside
        # of the same look at it as `alive`: a container that ends after it has no ports any more
        published = self.container.ports.get(f"{inside}/tcp")
        if not published:
            raise Failed(f"port {inside} to be published", "it isn't")
        return int(published[0]["HostPort"])

    def exec(self, *command: str, user: str = "") -> Said:
        """Run a command in the container; `Failed` where the container has ended."""
        from docker.errors import APIError

        try:
            return execute(self.engine.client, str(self.container.id), command, user)
        except APIError as error:
            if self.alive:
                raise
            raise Failed("a running container", self.how_it_ended) from error

    def need(self, *command: str) -> str:
        """The output of a command that must succeed."""
        said = self.exec(*command)
        if said.code != 0:
            raise Failed(f"`{shlex.join(command)}` to succeed", f"exit {said.code}: {said.last}")
        return said.text

    def put(self, folder: Path, at: str, name: str) -> None:
        """Copy a folder into the container, as `at`/`name`."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(folder, arcname=name)
        self.container.put_archive(at, packed.getvalue())

    def take(self, path: str) -> dict[str, bytes]:
        """The files of a folder in the container, by their path below the folder's parent."""
        pieces, _ = self.container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
            files = ((m.name, tar.extractfile(m)) for m in tar.getmembers() if m.isfile())
            return {name: file.read() for name, file in files if file is not None}

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        self.container.reload()
        return bool(self.container.status == "running")

    def runs(self, service: str) -> bool:
        """Whether a service is running, and has been for a second."""
        if not self.alive:
            raise Failed("a running container", self.how_it_ended)
        if self.alone:
            return time.monotonic() - self._began > 1
        return service in self.supervised()

    @property
    def how_it_ended(self) -> str:
        """One sentence about a container that runs no more."""
        return f"the container ended with {self.container.attrs['State']['ExitCode']}"

    def supervised(self) -> dict[str, int]:
        """The PIDs of the services that supervisor sees running, by name."""
        said = self.exec("supervisorctl", "status")
        return {name: int(pid) for name, pid in _STATUS.findall(said.text)}

    def environ(self, pid: int) -> dict[str, str]:
        """The environment of a process in the container."""
        said = self.exec("cat", f"/proc/{pid}/environ")
        if said.code != 0:
            raise Failed(f"an environment of process {pid}", said.last)
        return parse_environ(said.out)

    def logs(self) -> str:
        """All that the container said."""
        return str(self.container.logs().decode(errors="replace"))

    def last_lines(self, service: str | None) -> tuple[str, ...]:
        """The end of the service's log; of the container's, where there is none."""
        text = ""
        if service is not None and self.alive:
            text = self.exec("tail", "-n", str(TAIL_LINES), f"/tmp/{service}.log").text  # noqa: S108
        return tuple((text or self.logs()).splitlines()[-TAIL_LINES:])


class CrashWatch:
    """Notices that a service ends again and again, so that nobody waits for it to answer."""

    def __init__(self, guest: Guest, service: str) -> None:
        self._guest = guest
        self._mark = f" exited: {service} ("
        self._before = len(self._ends())
        self._next = time.monotonic() + _LOOK_SECONDS

    def look(self) -> str:
        """How the service ended, where it did so twice since; else nothing."""
        if time.monotonic() < self._next:
            return ""
        self._next = time.monotonic() + _LOOK_SECONDS
        ends = self._ends()
        return ends[-1] if len(ends) >= self._before + 2 else ""

    def _ends(self) -> list[str]:
        """What supervisor's log, which goes to the container's, says of each end."""
        lines = self._guest.logs().splitlines()
        return [line[line.index(self._mark) + 1 :] for line in lines if self._mark in line]


def parse_environ(block: bytes) -> dict[str, str]:
    """The variables of a NUL-separated block."""
    text = block.decode(errors="surrogateescape")
    pairs = (p.partition("=") for p in text.split("\0") if "=" in p)
    return {name: value for name, _, value in pairs}
