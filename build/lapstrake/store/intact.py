"""Is a file of the cache still what its name says? Asked where something is made of it.

A blob that is only handed on isn't hashed here: whoever takes it does that (skopeo when it pushes,
Docker when it pulls), and `lapstrake cache verify` does it for all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.store.records import Blob
from lapstrake.store.store import Store

_PIECE = 1 << 22


def check_file(path: Path, sha256: str) -> None:
    """Hash a file of the cache; `UserError` where it isn't what it was."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            process.check_stopped()
            digest.update(piece)
    if digest.hexdigest() != sha256:
        raise UserError(
            f"{path} has changed since it came into the cache",
            "`lapstrake cache verify --repair` removes what is broken; is the disk sound?",
        )


def check_blobs(blobs: Iterable[Blob], store: Store) -> None:
    """Hash blobs that a layer is made of.

    Raises:
        UserError: one isn't what its digest says.
    """
    for blob in blobs:
        check_file(store.blob(blob.digest), blob.digest.removeprefix("sha256:"))
