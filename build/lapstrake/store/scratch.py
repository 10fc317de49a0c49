"""Temporary files and folders that tell whether their owner lives.

Each is locked as long as its owner has it open. The kernel lets go of a lock when its holder dies,
however that happens, so whatever isn't locked was left behind and may be removed by anybody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lapstrake.interrupts import held_back

LOCK = ".lock"

# What our folders outside of a cache are called.
_OURS = "lapstrake-"


def claimed_file(folder: Path, prefix: str, suffix: str = "") -> tuple[int, Path]:
    """A new empty file, locked until the descriptor is closed; `OSError` where none can be made."""
    while True:
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=folder)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # between the two calls it may have looked abandoned, and been removed
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)


@contextlib.contextmanager
def claimed_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new empty folder, removed at the end; a locked file beside it says that it is in use."""
    claimed: list[tuple[int, Path]] = []
    try:
        with held_back():
            claimed.append(claimed_file(parent, prefix, LOCK))
            folder = claimed[0][1].with_suffix("")
            folder.mkdir(mode=0o700)
        yield folder
    finally:
        with held_back():
            for handle, lock in claimed:
                _release(handle, lock)


def _release(handle: int, lock: Path) -> None:
    folder = lock.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    # what a namespace's ids own stays with its lock, for `sweep`
    if not folder.exists():
        lock.unlink(missing_ok=True)
    os.close(handle)


def temporary_folder(purpose: str) -> contextlib.AbstractContextManager[Path]:
    """A temporary folder for files that go to no cache, where the system keeps such."""
    return claimed_folder(Path(tempfile.gettempdir()), f"{_OURS}{purpose}-")


def abandoned_folders(parent: Path, prefix: str = "") -> Iterator[Path]:
    """Each folder of `claimed_folder` whose owner is gone; its lock goes if it is removed."""
    for lock in sorted(parent.glob(f"{prefix}*{LOCK}")):
        with _claim(lock) as free:
            folder = lock.with_suffix("")
            if free and folder.is_dir():
                yield folder
            if free and not folder.exists():
                with contextlib.suppress(OSError):
                    lock.unlink()


def abandoned_temporaries() -> Iterator[Path]:
    """Each folder of `temporary_folder` whose owner is gone."""
    return abandoned_folders(Path(tempfile.gettempdir()), _OURS)


def remove_abandoned_files(folder: Path, beside: str = "") -> int:
    """Remove the files of `claimed_file` in `folder` whose owner is gone; how many there were.

    In a folder that isn't ours alone, `beside` is the name of the file that they were to become:
    any other is left (an editor's `.NAME.swp`, …).
    """
    ours = re.compile(rf"\.{re.escape(beside)}\.[a-z0-9_]{{8}}" if beside else r"\..*")
    count = 0
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for path in [Path(e.path) for e in found if ours.fullmatch(e.name) and e.is_file()]:
            with _claim(path) as free, contextlib.suppress(OSError):
                if free:
                    path.unlink()
                    count += 1
    return count


@contextlib.contextmanager
def _claim(path: Path) -> Iterator[bool]:
    """Whether a file of `claimed_file` has no owner; nobody else takes it meanwhile."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        # renamed into place or removed, or another user's
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield _is_at(handle, path)
    finally:
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except OSError:
        return False
