"""Files of the repository, or generated ones, to a layer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake.layers.estargz import Entry, LayerWriter
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.layers.parents import parents_of
from lapstrake.store.records import Blob


def write_files(layer: Files, out: Path) -> Blob:
    """Write a `Files` layer: all parent folders, then its entries, sorted by name.

    Raises:
        UserError: a file of the repository is gone or changed since the plan was made.
    """
    with LayerWriter(out) as writer:
        for entry, content in sorted(_entries(layer), key=lambda pair: pair[0].name):
            writer.add(entry, content)
    return writer.blob


def _entries(layer: Files) -> Iterator[tuple[Entry, bytes | None]]:
    for folder, mode in parents_of(_name(file) for file in layer.entries):
        yield Entry(folder, "dir", mode, FIXED_MTIME), None
    for file in layer.entries:
        content = _content(file) if file.type == "file" else None
        entry = Entry(
            name=_name(file),
            type=file.type,
            mode=0o777 if file.type == "symlink" else file.mode,
            mtime=FIXED_MTIME,
            uid=file.uid,
            gid=file.gid,
            size=len(content or b""),
            target=file.target,
        )
        yield entry, content


def _name(file: FileEntry) -> str:
    return file.path.strip("/")


def _content(file: FileEntry) -> bytes:
    if file.data is not None:
        return file.data
    if file.source is None:
        msg = f"{file.path} has neither data nor source"
        raise ValueError(msg)
    try:
        data = file.source.read_bytes()
    except OSError as error:
        raise UserError(f"{file.source} can't be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise UserError(f"{file.source} changed while it was being built", "build again")
    return data
