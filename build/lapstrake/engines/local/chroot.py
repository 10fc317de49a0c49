"""An image's files as a root that commands run in."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from lapstrake import process
from lapstrake.engines.local import mounts
from lapstrake.engines.local.settings import SHOWN, Settings
from lapstrake.errors import UserError
from lapstrake.layers.fixed import PREFIX

Json = dict[str, object]

_TAIL_LINES = 20
_NODES = ("full", "null", "random", "tty", "urandom", "zero")
_DEV_LINKS = {
    "fd": "/proc/self/fd",
    "ptmx": "pts/ptmx",
    "stderr": "/proc/self/fd/2",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
}
_QUIET = mounts.NOSUID | mounts.NODEV | mounts.NOEXEC

# What every root has while commands run in it, below the image's own layers: places to mount on,
# and the script that keeps Debian's packages from starting their services.
_FLOOR_FOLDERS = {"dev": 0o755, "proc": 0o555, "run": 0o755, "sys": 0o555, "tmp": 0o1777}
_HOST_FILES = ("etc/hosts", "etc/resolv.conf")
_NO_SERVICES = "usr/sbin/policy-rc.d"
# A root without documentation lacks these, and scripts of packages (Java's, PostgreSQL's) fail
# that link manual pages there.
_MANUALS = ("usr/share", "usr/share/man", *(f"usr/share/man/man{n}" for n in range(1, 9)))

_PATH = f"{PREFIX}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base_environment(epoch: int) -> dict[str, str]:
    """What holds for all commands: the same on every machine."""
    return {
        "DEBIAN_FRONTEND": "noninteractive",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "PATH": _PATH,
        "PERL_HASH_SEED": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        # A .pyc that Python writes by the way holds the time; compileall's hold hashes instead.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(epoch),
        "TZ": "UTC",
        "UV_LINK_MODE": "copy",
        "XDG_CACHE_HOME": "/tmp/cache",  # noqa: S108 - in the root, where /tmp is ours alone
    }


class Root:
    """Layers over each other with this machine's /proc, /dev and network settings.

    To be made in namespaces of our own, where nothing needs to be unmounted: all ends with them.

    Args:
        lowers: the image's layers as folders, bottom to top.
        work: a folder, which is made.
        settings: of the network.

    Attributes:
        upper: the folder that takes what commands change.
        merged: the root.
        temporary: what is /tmp in the root.
        log: what commands print.

    Raises:
        UserError: the layers can't be mounted, or have no place for /dev and the like.
    """

    def __init__(self, lowers: Sequence[Path], work: Path, settings: Settings) -> None:
        os.umask(0o022)
        socket.sethostname("build")
        work.mkdir(mode=0o755)
        self._work = work
        self._lowers = lowers
        self._settings = settings
        self.log = work / "log"
        self.temporary = work / "tmp"
        self.upper, self.merged = mounts.overlay([self._floor(), *lowers], work)
        self._mount_kernel()
        self._mount_dev()
        self._mount_own()

    def show(self, source: Path, name: str) -> str:
        """Show a file or folder of this machine in the root, read-only; where it is there."""
        target = self.merged / SHOWN.lstrip("/") / name
        if source.is_dir():
            target.mkdir()
        else:
            target.touch()
        mounts.bind(source, target, flags=mounts.RDONLY | mounts.NOSUID | mounts.NODEV)
        return f"{SHOWN}/{name}"

    def run(
        self, args: Sequence[str], env: Mapping[str, str], failure: str, hint: str = ""
    ) -> None:
        """Run a command in the root, with `env` over the network's settings as environment.

        Raises:
            UserError: it fails; with `failure`, its exit code and the last lines it printed.
        """
        with self.log.open("ab") as log:
            start = log.tell()
            with process.spawn(
                ["chroot", self.merged, *args],
                env=self._settings.env | dict(env),
                cwd=Path("/"),
                stdout=log.fileno(),
                stderr=log.fileno(),
            ) as child:
                pass
        if child.returncode != 0:
            tail = self._printed(start)[-_TAIL_LINES:]
            raise UserError(f"{failure} (exit {child.returncode})", hint, tuple(tail))

    def finish(self) -> Path:
        """End what still runs in the root, and take it apart; the folder with what changed."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        mounts.unmount(self.merged)
        return self.upper

    def is_below(self, name: str) -> bool:
        """Whether a layer below has something called `name` (relative)."""
        return any(os.path.lexists(lower / name) for lower in self._lowers)

    def _printed(self, start: int) -> list[str]:
        with self.log.open("rb") as log:
            log.seek(start)
            lines = log.read().decode(errors="replace").replace("\r", "\n").splitlines()
        return [line for line in lines if line.strip()]

    def _floor(self) -> Path:
        floor = self._work / "floor"
        for name in ("", "etc", "usr", "usr/sbin", *_MANUALS, *_FLOOR_FOLDERS):
            (floor / name).mkdir(mode=0o755)
            (floor / name).chmod(_FLOOR_FOLDERS.get(name, 0o755))
        for name in _HOST_FILES:
            (floor / name).touch()
        (floor / _NO_SERVICES).write_text("#!/bin/sh\nexit 101\n")
        (floor / _NO_SERVICES).chmod(0o755)
        return floor

    def _place(self, name: str) -> Path:
        """A folder of the root to mount on; a link there could lead out of the root."""
        path = self.merged / name
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise UserError(f"/{name} is no folder in the image below")
        return path

    def _mount_kernel(self) -> None:
        proc = self._place("proc")
        try:
            mounts.mount("proc", proc, "proc", _QUIET)
        except OSError:
            # In a container that hides parts of /proc, only its own may be shown.
            mounts.bind(Path("/proc"), proc)
        sys = self._place("sys")
        try:
            mounts.mount("sysfs", sys, "sysfs", _QUIET | mounts.RDONLY)
        except OSError:
            # Whoever isn't root outside may only show what is there, which root owns.
            mounts.bind(Path("/sys"), sys, flags=mounts.RDONLY | _QUIET)

    def _mount_dev(self) -> None:
        dev = self._place("dev")
        mounts.mount("tmpfs", dev, "tmpfs", mounts.NOSUID, "mode=0755,size=64k")
        for name in _NODES:
            (dev / name).touch()
            mounts.bind(Path("/dev") / name, dev / name)
        for name, target in _DEV_LINKS.items():
            (dev / name).symlink_to(target)
        for name in ("pts", "shm"):
            (dev / name).mkdir()
        mounts.mount("tmpfs", dev / "shm", "tmpfs", mounts.NOSUID | mounts.NODEV, "mode=1777")
        options = "newinstance,ptmxmode=0666,mode=0620"
        mounts.mount("devpts", dev / "pts", "devpts", mounts.NOSUID | mounts.NOEXEC, options)

    def _mount_own(self) -> None:
        """/run and /tmp, which no image keeps, and this machine's names and certificates."""
        run = self._place("run")
        mounts.mount("tmpfs", run, "tmpfs", mounts.NOSUID | mounts.NODEV, "mode=0755")
        for name, mode in (("lock", 0o1777), ("lapstrake", 0o755)):
            (run / name).mkdir()
            (run / name).chmod(mode)
        self.temporary.mkdir()
        self.temporary.chmod(0o1777)
        mounts.bind(self.temporary, self._place("tmp"))
        for name in _HOST_FILES:
            self._mount_host_file(name)
        for name, path in self._settings.shown.items():
            self.show(Path(path), name)

    def _mount_host_file(self, name: str) -> None:
        """A copy of this machine's file over the root's own, which stays as it is."""
        source, target = Path("/") / name, self.merged / name
        self._place("etc")
        if not source.is_file() or not stat.S_ISREG(_mode(target)):
            return
        copy = self._work / target.name
        shutil.copyfile(source, copy)
        mounts.bind(copy, target)


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def root_of(arguments: Json) -> Root:
    """The root that a job asks for: `lowers`, `work` and `settings` as `root_arguments` gave."""
    settings = cast("dict[str, dict[str, str]]", arguments["settings"])
    return Root(
        [Path(lower) for lower in cast("list[str]", arguments["lowers"])],
        Path(cast("str", arguments["work"])) / "root",
        Settings(**settings),
    )


def root_arguments(lowers: Sequence[Path], work: Path, settings: Settings) -> Json:
    """The part of a job's arguments that describes its root, as plain JSON."""
    return {
        "lowers": [str(lower) for lower in lowers],
        "work": str(work),
        "settings": settings.to_json(),
    }
