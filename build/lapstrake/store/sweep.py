"""Removing what killed commands left behind.

Nothing that a running one uses is touched: see `scratch`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake.store.scratch import (
    LOCK,
    abandoned_folders,
    abandoned_temporaries,
    remove_abandoned_files,
)
from lapstrake.store.store import Store

# A killed build's children end with it, but not in the same instant: they may still be writing.
_TRIES = 20
_PAUSE = 0.1


def sweep(store: Store) -> int:
    """Remove temporary files and folders of the cache whose owners are gone; how many there were.

    What can't be removed (another user's) stays.
    """
    count = 0
    for folder in (*_staging_folders(store), *_wheel_folders(store)):
        count += remove_abandoned_files(folder)
    for folder in abandoned_folders(store.root / "tmp"):
        remove_tree(folder)
        count += 1
    for folder in _lockless(store.root / "tmp"):
        remove_tree(folder)
        count += 1
    return count + sweep_temporaries()


def sweep_temporaries() -> int:
    """Remove what lies outside of any cache, and whose owner is gone; how many folders."""
    count = 0
    for folder in abandoned_temporaries():
        if folder.lstat().st_uid == os.geteuid():
            remove_tree(folder)
            count += 1
    return count


def remove_tree(folder: Path) -> None:
    """Remove a folder, also what belongs to the ids of an ordinary user's range, if it can be."""
    if folder.is_symlink() or not folder.is_dir():
        with contextlib.suppress(OSError):
            folder.unlink()
        return
    for attempt in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        if attempt == 0 and os.geteuid() != 0:
            _remove_in_namespace(folder)
        elif attempt:
            time.sleep(_PAUSE)


def _remove_in_namespace(folder: Path) -> None:
    # imported here, since namespaces are made with what a store has
    from lapstrake.engines.local import namespace

    with contextlib.suppress(UserError):
        namespace.remove([folder])


def _staging_folders(store: Store) -> Iterator[Path]:
    """Where single files are staged beside their places."""
    for name in ("layers", "debs", "blobs/sha256"):
        yield store.root / name


def _wheel_folders(store: Store) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(store.root / "wheels") as found:
        yield from [Path(entry.path) for entry in found if entry.is_dir()]


def _lockless(folder: Path) -> Iterator[Path]:
    """Folders that were never claimed: a folder is made after its lock, so none has an owner."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.suffix != LOCK and not path.with_name(f"{path.name}{LOCK}").exists():
                yield path
