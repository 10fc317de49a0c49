#!/usr/bin/python3 -IS
"""`service NAME [-- COMMAND…]`: become a service whose output goes to a log and to the container.

Without a command, the service is that of the image's own description, with its environment and
its folder. This process becomes the service, so signals and supervisor meet it and nothing else.
Its output goes through a logger, a process apart, to /tmp/NAME.log and to the container's.

This runs inside images: the standard library of Python 3.9 only.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

IMAGE = Path("/etc/lapstrake/image.json")
CHANNEL = "/run/lapstrake/log"
LOGS = Path("/tmp")
ROTATE_AT = 50_000_000

# How long the children of a service that has ended have to end themselves.
ORPHAN_SECONDS = 1.0

# The most bytes that a pipe takes in one piece: lines of two services don't mix.
ATOMIC = 4096


def main(arguments: list[str]) -> int:
    """Become the service; 2 where the arguments make no sense, 127 or 126 where it can't start."""
    name, dashes, command = arguments[0] if arguments else "", arguments[1:2], arguments[2:]
    if not name or "/" in name or dashes not in ([], ["--"]) or bool(dashes) != bool(command):
        sys.stderr.write("usage: service NAME [-- COMMAND…]\n")
        return 2
    forget_own_locale()
    if os.geteuid() != 0:
        set_home()
    start_logger(name)
    if not dashes:
        described = described_service(name)
        if described is None:
            sys.stderr.write(f"service: the image has no service {name}\n")
            return 2
        command = described["command"]
        os.environ.update(described["env"])
        enter(described["directory"])
    return become(command)


def described_service(name: str) -> dict[str, Any] | None:
    """The service's description in the image, if it has one."""
    services = json.loads(IMAGE.read_text(encoding="utf-8"))["services"]
    found: dict[str, Any] | None = next((s for s in services if s["name"] == name), None)
    return found


def enter(directory: str) -> None:
    """Go to the service's folder; without rights to it, /tmp has to do."""
    try:
        os.chdir(directory)
    except OSError as error:
        sys.stderr.write(f"service: {directory}: {error.strerror}; starting in /tmp\n")
        os.chdir("/tmp")


def forget_own_locale() -> None:
    """Python gives itself an LC_CTYPE where there is no locale; what we start mustn't see it."""
    given = b"\0" + Path("/proc/self/environ").read_bytes()
    if b"\0LC_CTYPE=" not in given:
        os.environ.pop("LC_CTYPE", None)


def set_home() -> None:
    """Give who isn't root a home they can write to, and a name: many libraries ask for both."""
    try:
        entry = pwd.getpwuid(os.geteuid())
        user, home = entry.pw_name, entry.pw_dir
    except KeyError:  # an arbitrary user, as OpenShift starts containers
        user, home = str(os.geteuid()), "/tmp"
    if not os.access(os.environ.get("HOME", ""), os.W_OK):
        os.environ["HOME"] = home if os.access(home, os.W_OK) else "/tmp"
    for name in ("USER", "LOGNAME"):
        os.environ.setdefault(name, user)


def become(command: list[str]) -> int:
    """Replace this process by the command, with the signals that it expects."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except FileNotFoundError:
        sys.stderr.write(f"service: {command[0]}: not found\n")
        return 127
    except OSError as error:
        sys.stderr.write(f"service: {command[0]}: {error.strerror}\n")
        return 126


def start_logger(name: str) -> None:
    """Start the logger and point our output at it.

    It is forked twice: the service that we become has no child that it doesn't know of.
    """
    service = os.getpid()
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        code = 1
        with contextlib.suppress(BaseException):
            os.setsid()
            if os.fork() == 0:
                os.close(writer)
                log(name, reader, service)
            code = 0
        os._exit(code)
    os.close(reader)
    os.waitpid(middle, 0)
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    os.close(writer)


# --- the logger --------------------------------------------------------------------------------


def log(name: str, reader: int, service: int) -> None:
    """Copy until the service and all its children have closed their output."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # the end of the output is the end, not a signal
    os.chdir("/")
    os.close(0)
    file = LogFile(LOGS / f"{name}.log")
    output = open_output()
    read_by_anyone = True
    for data in read_until_orphaned(reader, service):
        file.write(data)
        read_by_anyone = read_by_anyone and send(output, data)


def read_until_orphaned(reader: int, service: int) -> Iterator[bytes]:
    """What is said, to its end. Children that outlive a killed service are ended.

    They would keep their memory and their ports, which the service wants when it is started anew.
    """
    watched: list[int] = [reader]
    with contextlib.suppress(OSError, AttributeError):  # a kernel before 5.3
        if os.getpgid(service) == service:  # as supervisor starts them: the group is theirs
            watched.append(os.pidfd_open(service))
    deadline: float | None = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = select.select(watched, [], [], left)[0]
        if reader in ready:
            data = os.read(reader, 65536)
            if not data:
                return
            yield data
        if len(watched) > 1 and watched[1] in ready:
            os.close(watched.pop())
            deadline = time.monotonic() + ORPHAN_SECONDS
        if deadline is not None and time.monotonic() >= deadline:
            deadline = None
            with contextlib.suppress(OSError):
                os.killpg(service, signal.SIGKILL)


def open_output() -> int:
    """The container's output: boot's channel, or our own where boot isn't listening."""
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(Path(CHANNEL).stat().st_mode):
            # without O_NONBLOCK, this would wait for ever where nobody reads
            channel = os.open(CHANNEL, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(channel, True)
            os.dup2(channel, 1)
            os.dup2(channel, 2)
            os.close(channel)
    return 1


def send(output: int, data: bytes) -> bool:
    """Write whole lines, as many as a pipe takes in one piece; False where nobody reads."""
    try:
        while data:
            end = len(data)
            if end > ATOMIC:
                end = data.rfind(b"\n", 0, ATOMIC) + 1 or ATOMIC
            data = data[os.write(output, data[:end]) :]
    except OSError:
        return False
    return True


class LogFile:
    """A file that is moved aside when it has grown; a full disk or no rights stop no service."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = -1
        self.size = 0
        self.open()

    def open(self) -> None:
        """Open the file, at its end; nothing that another user has put in its place."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        with contextlib.suppress(OSError):
            self.descriptor = os.open(self.path, flags, 0o644)
            self.size = os.fstat(self.descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append; where that fails, these bytes are in the container's log alone."""
        if self.size + len(data) > ROTATE_AT:
            self.rotate()
        with contextlib.suppress(OSError):
            self.size += os.write(self.descriptor, data)

    def rotate(self) -> None:
        """Keep what there is as NAME.log.1, and begin anew."""
        with contextlib.suppress(OSError):
            self.path.replace(f"{self.path}.1")
            os.close(self.descriptor)
            self.descriptor = -1
            self.open()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
