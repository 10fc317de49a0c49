"""What commands changed, as an overlay's upper folder has it, to a layer with OCI whiteouts."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake.layers import keystore
from lapstrake.layers.estargz import Entry, LayerWriter
from lapstrake.layers.noise import is_noise
from lapstrake.layers.tarheader import Type
from lapstrake.layers.tarread import OPAQUE, WHITEOUT
from lapstrake.store.records import Blob

# How an overlay says that a folder hides all that lies below it.
OVERLAY_OPAQUE = ("user.overlay.opaque", "trusted.overlay.opaque")

# Attributes of the overlay and of the builder's own security modules.
_NOT_THE_IMAGES = (
    "trusted.overlay.",
    "user.overlay.",
    "security.ima",
    "security.evm",
    "security.selinux",
)

_TYPES: dict[int, Type] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}


def write_diff(
    upper: Path,
    out: Path,
    epoch: int,
    tick: Callable[[int], None] | None = None,
    *,
    is_below: Callable[[str], bool] = lambda _: True,
) -> Blob:
    """Write the layer of a difference.

    Deleted files become whiteouts, replaced folders opaque ones; sockets and noise are left out;
    modification times after `epoch` are set to it, and so are those in Java's store of
    certificates. A folder comes before what is in it, its whiteouts before its files, and names
    are sorted as bytes.

    Args:
        upper: an overlay's upper folder, which nothing writes to any more.
        out: the blob's file.
        epoch: seconds since 1970.
        tick: called with the number of compressed bytes just written.
        is_below: says whether a layer below has a name: the kernel calls every new folder opaque,
            which means nothing where there is nothing to hide.

    Raises:
        UserError: a file has a name that means a whiteout in a layer.
    """
    links: dict[tuple[int, int], str] = {}
    with LayerWriter(out, tick) as layer:
        for path, info in _walk(upper):
            name = os.fspath(path.relative_to(upper))
            if _is_whiteout(info):
                layer.add(_mark(name, epoch))
                continue
            entry = _entry(path, name, info, epoch, links)
            if entry is None:
                continue
            if entry.type == "file" and name == keystore.PLACE:
                layer.add(entry, keystore.with_time(path.read_bytes(), epoch))
            elif entry.type == "file":
                with path.open("rb") as content:
                    layer.add(entry, content)
            else:
                layer.add(entry)
            if entry.type == "dir" and _is_opaque(path) and is_below(name):
                layer.add(Entry(f"{name}/{OPAQUE}", "file", 0o644, entry.mtime))
    return layer.blob


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All below `folder`, folders before their content, whiteouts before files."""
    found = [(Path(item.path), item.stat(follow_symlinks=False)) for item in os.scandir(folder)]
    found.sort(key=lambda pair: (not _is_whiteout(pair[1]), os.fsencode(pair[0])))
    for path, info in found:
        yield path, info
        if stat.S_ISDIR(info.st_mode):
            yield from _walk(path)


def _is_whiteout(info: os.stat_result) -> bool:
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0


def _is_opaque(folder: Path) -> bool:
    found = set(os.listxattr(folder))
    return any(name in found and os.getxattr(folder, name) == b"y" for name in OVERLAY_OPAQUE)


def _mark(name: str, epoch: int) -> Entry:
    folder, _, last = name.rpartition("/")
    return Entry(f"{folder}/{WHITEOUT}{last}".lstrip("/"), "file", 0o644, epoch)


def _entry(
    path: Path,
    name: str,
    info: os.stat_result,
    epoch: int,
    links: dict[tuple[int, int], str],
) -> Entry | None:
    """A file's entry; None for what a layer doesn't hold. `links` remembers names by inode."""
    kind = _TYPES.get(stat.S_IFMT(info.st_mode))
    if kind is None or (kind != "dir" and is_noise(name)):
        return None
    if path.name.startswith(WHITEOUT):
        raise UserError(f"no layer can hold a file called {path.name}: /{name}")
    # Path.readlink() would tidy it: "lib//x/" is not "lib/x" to whoever compares.
    target = os.readlink(path) if kind == "symlink" else ""  # noqa: PTH115
    if kind != "dir" and info.st_nlink > 1:
        first = links.setdefault((info.st_dev, info.st_ino), name)
        if first != name:
            kind, target = "hardlink", first
    return Entry(
        name=name,
        type=kind,
        mode=stat.S_IMODE(info.st_mode),
        mtime=min(int(info.st_mtime), epoch),
        uid=info.st_uid,
        gid=info.st_gid,
        size=info.st_size if kind == "file" else 0,
        target=target,
        major=os.major(info.st_rdev) if kind in {"char", "block"} else 0,
        minor=os.minor(info.st_rdev) if kind in {"char", "block"} else 0,
        xattrs={} if kind == "hardlink" else _xattrs(path),
    )


def _xattrs(path: Path) -> dict[str, bytes]:
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in sorted(os.listxattr(path, follow_symlinks=False))
        if not name.startswith(_NOT_THE_IMAGES)
    }
