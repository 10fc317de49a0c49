"""Layers made by hand, and folders as values, for tests."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from lapstrake.layers.estargz import Entry, LayerWriter
from lapstrake.layers.tarread import layer_members

MTIME = 1_600_000_000

# What an overlay's whiteout is: the device's number; its time says nothing.
_WHITEOUT = 0

Item = Entry | tuple[Entry, bytes]


def file(name: str, data: bytes = b"", mode: int = 0o644, **more: object) -> tuple[Entry, bytes]:
    """A file's entry and content."""
    return Entry(name, "file", mode, MTIME, size=len(data), **more), data  # type: ignore[arg-type]


def folder(name: str, mode: int = 0o755, **more: object) -> Entry:
    """A folder's entry."""
    return Entry(name, "dir", mode, MTIME, **more)  # type: ignore[arg-type]


def link(name: str, target: str) -> Entry:
    """A symbolic link's entry."""
    return Entry(name, "symlink", 0o777, MTIME, target=target)


def hardlink(name: str, target: str) -> Entry:
    """A hard link's entry."""
    return Entry(name, "hardlink", 0o644, MTIME, target=target)


def make_layer(path: Path, items: Sequence[Item]) -> Path:
    """A blob with just these entries, in this order."""
    with LayerWriter(path) as layer:
        for item in items:
            if isinstance(item, Entry):
                layer.add(item)
            else:
                layer.add(*item)
    return path


def read_layer(blob: Path) -> dict[str, tuple[Entry, bytes]]:
    """A blob's entries by name, in their order."""
    return {
        m.entry.name: (m.entry, m.content.read() if m.content else b"") for m in layer_members(blob)
    }


def snapshot(root: Path) -> dict[str, object]:
    """All that can be seen below a folder: names that are one file share a number."""
    inodes: dict[int, int] = {}
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        kind = stat.S_IFMT(info.st_mode)
        content: object = b""
        if stat.S_ISREG(kind):
            content = (path.read_bytes(), inodes.setdefault(info.st_ino, len(inodes)))
        elif stat.S_ISLNK(kind):
            content = os.readlink(path)  # noqa: PTH115 - it tidies what it reads
        elif stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
            content = info.st_rdev
        xattrs = {
            name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False)
        }
        found[os.fspath(path.relative_to(root))] = (
            kind,
            stat.S_IMODE(info.st_mode),
            info.st_uid,
            info.st_gid,
            0 if content == _WHITEOUT else int(info.st_mtime),
            content,
            xattrs,
        )
    return found
