"""Mounts, in a namespace of our own: all of them end with it.

The system call itself, since mount(8) cuts or refuses what an overlay of many layers needs.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from lapstrake.errors import UserError

RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8
REMOUNT, BIND, REC, PRIVATE = 32, 4096, 16384, 1 << 18

_DETACH = 2
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str, flags: int = 0, options: str = "") -> None:
    """mount(2); `OSError` where the kernel refuses it."""
    words = (source, os.fspath(target), kind)
    encoded = [os.fsencode(word) if word else None for word in words]
    if _libc.mount(*encoded, ctypes.c_ulong(flags), os.fsencode(options) or None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fspath(target))


def bind(source: Path, target: Path, *, flags: int = 0) -> None:
    """Show `source` (a file or folder, with what is mounted below it) at `target` too.

    `flags` such as `RDONLY` hold for `target` alone.
    """
    mount(os.fspath(source), target, "", BIND | REC)
    if flags:
        mount("", target, "", REMOUNT | BIND | flags)


def unmount(target: Path) -> None:
    """Take a mount away, with all below it, as soon as nobody uses it."""
    if _libc.umount2(os.fsencode(target), _DETACH) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fspath(target))


def overlay(lowers: Sequence[Path], work: Path) -> tuple[Path, Path]:
    """Mount layers over each other, with a new folder on top that takes what is changed.

    Layers have short names in a folder of their own and are mounted from there: the kernel takes
    one page of options, which the paths of some ten layers would fill.

    Args:
        lowers: the layers as folders, bottom to top.
        work: an empty folder, on a file system that can be an overlay's upper layer.

    Returns:
        the upper folder, and the one in which all can be seen.

    Raises:
        UserError: the kernel refuses.
    """
    for name in ("l", "upper", "work", "merged"):
        (work / name).mkdir(mode=0o755)
    (work / "upper").chmod(0o755)
    for number, lower in enumerate(reversed(lowers)):
        (work / "l" / str(number)).symlink_to(lower)
    names = ":".join(str(number) for number in range(len(lowers)))
    options = f"userxattr,lowerdir={names},upperdir=../upper,workdir=../work"
    with contextlib.chdir(work / "l"):
        try:
            mount("overlay", Path("../merged"), "overlay", options=options)
        except OSError as error:
            raise UserError(
                f"no overlay can be mounted in {work}: {(error.strerror or '').lower()}",
                "put the cache on a disk's own file system with LAPSTRAKE_CACHE",
            ) from error
    return work / "upper", work / "merged"


def leave_network() -> None:
    """From here on, this process and what it starts have no network."""
    if _libc.unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def available_memory() -> int:
    """Bytes that can be used without pushing anything out; 0 where nobody says."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, _group_limit())
    return 0


def _group_limit() -> int:
    """What this process's control group may still use; a great number where it has no limit."""
    folder = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        most = int((folder / "memory.max").read_text())
        return most - int((folder / "memory.current").read_text())
    return 1 << 62
