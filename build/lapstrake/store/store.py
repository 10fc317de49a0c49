"""The cache: blobs by digest, records by layer id, downloads by hash.

Everything in it can be thrown away. Nothing in it is ever changed: a file appears under its final
name only when it is whole, by a rename within the one file system.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.interrupts import held_back
from lapstrake.store.records import Blob, LayerRecord
from lapstrake.store.scratch import claimed_file, claimed_folder

# How often somebody who waits for a lock looks again, in seconds.
_PATIENCE = 0.05

# What a file system says of itself; any other error is about what was asked of it.
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSALS = _FULL | {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}

_FOLDERS = (
    "blobs/sha256",
    "bytecode",
    "debs",
    "images",
    "inflated",
    "layers",
    "locks",
    "tmp",
    "trees",
    "wheels",
)


def default_root() -> Path:
    """Where the cache lies: $LAPSTRAKE_CACHE, $XDG_CACHE_HOME/lapstrake or ~/.cache/lapstrake."""
    if own := os.environ.get("LAPSTRAKE_CACHE"):
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base).absolute() / "lapstrake"


class Store:
    """The cache in the folder `root`, which is made where it is missing.

    Raises:
        UserError: the folder can't be made or written.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()
        with writing(self.root):
            for folder in _FOLDERS:
                (self.root / folder).mkdir(parents=True, exist_ok=True)

    def blob(self, digest: str) -> Path:
        """Where the blob `sha256:…` lies (or would lie)."""
        return self.root / "blobs/sha256" / digest.removeprefix("sha256:")

    def wheel(self, sha256: str, filename: str) -> Path:
        """Where a downloaded wheel lies (or would lie), under its own name."""
        return self.root / "wheels" / sha256 / filename

    def bytecode(self, key: str) -> Path:
        """Where the zip of a wheel's compiled modules lies; `key` is its `bytecode_key`."""
        return self.root / "bytecode" / f"{key}.zip"

    def deb(self, sha256: str) -> Path:
        """Where a downloaded Debian package lies (or would lie)."""
        return self.root / "debs" / f"{sha256}.deb"

    def inflated(self, sha256: str) -> Path:
        """The folder of a Debian package whose files aren't compressed, under its own hash."""
        return self.root / "inflated" / sha256

    def tree(self, diff_id: str) -> Path:
        """Where the unpacked layer lies (or would lie), as an overlay's lower folder."""
        return self.root / "trees" / diff_id.removeprefix("sha256:")

    def image(self, digest: str) -> Path:
        """Where an image pulled from a registry lies (or would lie), as an OCI layout."""
        return self.root / "images" / digest.removeprefix("sha256:")

    def record(self, layer_id: str) -> LayerRecord | None:
        """What is known of a layer; None where it wasn't built or a blob of it is gone."""
        try:
            found = LayerRecord.from_json(json.loads(self._record_path(layer_id).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if all(self.holds(blob) for blob in found.blobs) else None

    def holds(self, blob: Blob) -> bool:
        """Whether the blob is there in its full size."""
        try:
            return self.blob(blob.digest).stat().st_size == blob.size
        except OSError:
            return False

    def commit(self, record: LayerRecord) -> None:
        """Remember a built layer, whose blobs are in place already."""
        text = json.dumps(record.to_json(), sort_keys=True, indent=1)
        write_staged(self._record_path(record.id), text.encode())

    def adopt(self, staged: Path, digest: str) -> Path:
        """Give a finished file in `scratch` its place as a blob; one that is there stays."""
        target = self.blob(digest)
        with writing(self.root):
            # dist/ holds hard links to it: whoever writes there by mistake is refused
            staged.chmod(0o444)
            staged.replace(target)
        return target

    @contextlib.contextmanager
    def scratch(self, prefix: str) -> Iterator[Path]:
        """A temporary folder on the cache's own file system; removed at the end.

        Where its owner is killed, the next `sweep` removes it.
        """
        with contextlib.ExitStack() as stack:
            with writing(self.root):
                folder = stack.enter_context(claimed_folder(self.root / "tmp", f"{prefix}-"))
            yield folder

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock called `name` against other threads and processes; not re-entrant.

        The kernel lets go of it when its holder dies, so none is ever stale.
        """
        path = self.root / "locks" / name
        with writing(self.root):
            handle = path.open("ab")
        with handle:
            while not _try_lock(handle.fileno()):
                process.check_stopped()
                time.sleep(_PATIENCE)
            yield

    def _record_path(self, layer_id: str) -> Path:
        return self.root / "layers" / f"{layer_id}.json"


def _try_lock(handle: int) -> bool:
    """Take a lock without waiting, since a thread that waits for one can't be stopped."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what a file system refuses into a sentence about `folder`."""
    try:
        yield
    except OSError as error:
        raise _refused(error, folder) from error


@contextlib.contextmanager
def file_system_errors(folder: Path) -> Iterator[None]:
    """Turn a full, failing or forbidden file system into a sentence; around more than one write.

    What else an `OSError` may say (a file is missing, …) stays what it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise _refused(error, folder) from error


def _refused(error: OSError, folder: Path) -> UserError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = "check who owns it, or put it elsewhere (the cache: LAPSTRAKE_CACHE, dist/: --out)"
    if error.errno in _FULL:
        hint = "free some space, or put it elsewhere (the cache: LAPSTRAKE_CACHE, dist/: --out)"
    return UserError(f"{error.filename or folder} can't be written: {reason.lower()}", hint)


def write_staged(path: Path, data: bytes) -> None:
    """Write a whole file or none: beside its place, then renamed into it."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with held_back():
            _write_beside(path, data)


def _write_beside(path: Path, data: bytes) -> None:
    handle, staged = claimed_file(path.parent, f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            staged.chmod(0o644)
            staged.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            staged.unlink()
        raise
