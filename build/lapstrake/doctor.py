"""What this machine has of what the commands need."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from lapstrake import process
from lapstrake.engines.local import namespace
from lapstrake.errors import UserError
from lapstrake.store.store import default_root

# Program -> the command that needs it. What a build needs comes first.
PROGRAMS = {
    "mmdebstrap": "build",
    "unshare": "build",
    "apt-get": "lock",
    "skopeo": "push",
    "ssh": "smoke",
    "ssh-keygen": "smoke",
    "git": "plan --changed",
}

# A family such as this repository's own takes about 2 GB in the cache, and again unpacked.
_ROOM = 5_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is there, what was seen, what mends it."""

    name: str
    good: bool
    seen: str
    needed_by: str
    remedy: str = ""
    packages: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """As plain JSON."""
        return asdict(self)


def examine() -> list[Finding]:
    """Look at everything; nothing is changed."""
    return [*_programs(), _namespaces(), _cache(), _docker(), _client()]


def _programs() -> Iterator[Finding]:
    for name, needed_by in PROGRAMS.items():
        found = process.which(name)
        package = process.PACKAGE_OF.get(name, name)
        yield Finding(
            name,
            found is not None,
            found or "not installed",
            needed_by,
            f"apt-get install {package}",
            () if found else (package,),
        )


def _namespaces() -> Finding:
    """Root, or an ordinary user who may have namespaces and subordinate ids."""
    name = "privileges"
    if os.geteuid() == 0:
        return Finding(name, True, "root", "build")
    error = namespace.problem()
    if error is None:
        return Finding(name, True, "user namespaces with subordinate ids", "build")
    packages = () if process.which("newuidmap") else ("uidmap",)
    return Finding(name, False, error.message, "build", error.hint, packages)


def _cache() -> Finding:
    folder = default_root()
    nearest = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(nearest, os.W_OK):
        remedy = "set LAPSTRAKE_CACHE to a folder that you may write"
        return Finding("cache", False, f"{folder} can't be written", "build", remedy)
    free = shutil.disk_usage(nearest).free
    seen = f"{folder}, {free / 1e9:.0f} GB free"
    return Finding("cache", free > _ROOM, seen, "build", "free some space: 5 GB are wanted")


def _docker() -> Finding:
    remedy = "apt-get install docker.io, and start it"
    from lapstrake.smoke.engine import open_docker

    try:
        version = str(open_docker().version()["Version"])
    except UserError as error:
        packages = () if process.which("dockerd") else ("docker.io",)
        return Finding("docker", False, error.message, "smoke", error.hint or remedy, packages)
    return Finding("docker", True, f"engine {version}", "smoke")


def _client() -> Finding:
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    good = platform.system() == "Linux"
    return Finding("machine", good, machine, "build", "the local engine needs Linux")
