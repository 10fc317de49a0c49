"""Whose a container is: what a killed command left in an engine, the next one removes.

A container's label names the process that made it, so that a number that was given out again is
not taken for it: the boot, the PID namespace, the number, and when it began. Whether a process of
another machine or namespace lives can't be told here; what it made stays.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker.client import DockerClient

OWNER = "lapstrake.smoke.owner"


def this_process() -> str:
    """This process, as `OWNER` names it; empty on a system that doesn't tell."""
    try:
        return f"{_surroundings()} {os.getpid()} {_began(os.getpid())}"
    except OSError:
        return ""


def is_gone(owner: str) -> bool:
    """Whether it is certain that the process that `this_process` named so has ended."""
    where, _, began = owner.rpartition(" ")
    where, _, number = where.rpartition(" ")
    try:
        if where != _surroundings():
            return False
        return _began(int(number)) != began
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def remove_abandoned(client: DockerClient) -> int:
    """Remove the containers of processes that are gone, with their volumes; how many."""
    from docker.errors import DockerException

    count = 0
    with contextlib.suppress(DockerException):
        for found in client.containers.list(
            all=True, filters={"label": OWNER}, ignore_removed=True
        ):
            # another command may be removing it just now
            with contextlib.suppress(DockerException):
                if is_gone(found.labels.get(OWNER, "")):
                    found.remove(force=True, v=True)
                    count += 1
    return count


def _surroundings() -> str:
    """What a process's number counts in."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it is no path


def _began(number: int) -> str:
    """When a process began, in ticks since the boot; `FileNotFoundError` where there is none."""
    said = Path(f"/proc/{number}/stat").read_text()
    # the second field is its name, which may hold anything
    state, *rest = said.rpartition(")")[2].split()
    if state in {"Z", "X"}:
        raise FileNotFoundError
    return rest[18]
