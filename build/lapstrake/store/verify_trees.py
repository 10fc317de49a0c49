"""Is an unpacked layer in the cache still what its layer has?

What commands run over is such trees: a bit that flips in one would go into every layer made after.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from lapstrake import process
from lapstrake.layers.tarheader import Entry, Type
from lapstrake.layers.tarread import OPAQUE, WHITEOUT, blamed, layer_members

_READ = 1 << 20
_MOST_LINKS = 40
_OPAQUE_XATTR = "user.overlay.opaque"

_KINDS: dict[Type, int] = {
    "file": stat.S_IFREG,
    "dir": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "char": stat.S_IFCHR,
    "block": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
}
_WORDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
}

Parts = tuple[str, ...]


@dataclass(frozen=True)
class _Node:
    """What lies at one place; `content` is a file's SHA-256, or what a link points to."""

    kind: int
    mode: int
    owner: tuple[int, int] = (0, 0)
    size: int = 0
    content: str = ""
    device: int = 0
    opaque: bool = False


_FOLDER = _Node(stat.S_IFDIR, 0o755)
# what hides a name of the layers below
_HIDING = _Node(stat.S_IFCHR, 0)


def difference(tree: Path, blob: Path) -> str:
    """What a tree has other than the layer that it was unpacked from, in words; empty if nothing.

    Names, types, modes, sizes and contents are compared; owners where the tree was made by root,
    and we are. What may not be read here is left out.

    Raises:
        UserError: the layer is damaged.
    """
    expected = _expected(blob)
    by_root = "-" not in tree.name
    owners = by_root and os.geteuid() == 0
    found = []
    seen: set[Parts] = set()
    for parts, path, info in _walk(tree):
        seen.add(parts)
        with contextlib.suppress(PermissionError):
            node = expected.get(parts)
            if node is None:
                found.append(f"/{'/'.join(parts)} is not in its layer")
            elif what := next(_others(node, path, info, owners=owners), ""):
                found.append(f"/{'/'.join(parts)} {what}")
    found += [f"/{'/'.join(p)} is missing" for p in _missing(tree, expected, seen, by_root)]
    more = f", and {len(found) - 1} differences more" if len(found) > 1 else ""
    return f"{min(found)}{more}" if found else ""


def _walk(tree: Path) -> Iterator[tuple[Parts, Path, os.stat_result]]:
    """All below a folder but what may not be looked into."""
    waiting: list[Parts] = [()]
    while waiting:
        above = waiting.pop()
        process.check_stopped()
        with contextlib.suppress(PermissionError), os.scandir(tree.joinpath(*above)) as items:
            for item in items:
                info = item.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    waiting.append((*above, item.name))
                yield (*above, item.name), Path(item.path), info


def _missing(
    tree: Path, expected: dict[Parts, _Node], seen: set[Parts], by_root: bool
) -> Iterator[Parts]:
    for parts in expected.keys() - seen:
        # without root, devices can't be made
        is_device = expected[parts].kind in {stat.S_IFCHR, stat.S_IFBLK} and expected[parts].device
        if (by_root or not is_device) and (len(parts) == 1 or parts[:-1] in seen):
            with contextlib.suppress(PermissionError):
                os.scandir(tree.joinpath(*parts[:-1])).close()
                yield parts


def _others(node: _Node, path: Path, info: os.stat_result, *, owners: bool) -> Iterator[str]:
    """How what lies at a path differs from what should."""
    kind, mode = stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode)
    if kind != node.kind:
        yield f"is {_WORDS.get(kind, 'a socket')}, not {_WORDS[node.kind]}"
        return
    if kind != stat.S_IFLNK and mode != node.mode:
        yield f"has the mode {mode:04o}, not {node.mode:04o}"
    if owners and (info.st_uid, info.st_gid) != node.owner:
        yield f"belongs to {info.st_uid}:{info.st_gid}, not {node.owner[0]}:{node.owner[1]}"
    if kind == stat.S_IFDIR and _is_opaque(path) != node.opaque:
        yield "hides nothing below it" if node.opaque else "hides what is below it"
    elif kind in {stat.S_IFCHR, stat.S_IFBLK} and info.st_rdev != node.device:
        yield "is another device"
    elif kind == stat.S_IFLNK and os.readlink(path) != node.content:  # noqa: PTH115 - it tidies
        yield "points elsewhere"
    elif kind == stat.S_IFREG and info.st_size != node.size:
        yield f"has {info.st_size} bytes, not {node.size}"
    elif kind == stat.S_IFREG:
        with path.open("rb") as file:
            if _sha256(file) != node.content:
                yield "has other bytes"


def _is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, _OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except PermissionError:
        raise
    except OSError:
        return False


def _sha256(file: BinaryIO) -> str:
    hashing = hashlib.sha256()
    while piece := file.read(_READ):
        process.check_stopped()
        hashing.update(piece)
    return hashing.hexdigest()


def _expected(blob: Path) -> dict[Parts, _Node]:
    """What `layers.unpack` makes of a layer."""
    image = _Image()
    with blamed(blob):
        for member in layer_members(blob):
            image.apply(member.entry, member.content)
    return image.nodes


class _Image:
    """A layer as a table: each place with what the last entry for it says."""

    def __init__(self) -> None:
        self.nodes: dict[Parts, _Node] = {}

    def apply(self, entry: Entry, content: BinaryIO | None) -> None:
        """Do what unpacking an entry does."""
        folder, _, last = entry.name.rpartition("/")
        above = self._folder(folder)
        place = (*above, last)
        if last == OPAQUE:
            self._hide_below(above)
        elif last.startswith(WHITEOUT):
            self._white_out((*above, last.removeprefix(WHITEOUT)))
        elif entry.type == "dir":
            self._put_folder(place, entry)
        else:
            self._make_room(place)
            if entry.type == "hardlink":
                target, _, name = entry.target.rpartition("/")
                self.nodes[place] = self.nodes.get((*self._folder(target), name), _HIDING)
            else:
                self.nodes[place] = _node(entry, content)

    def _put_folder(self, place: Parts, entry: Entry) -> None:
        found = self.nodes.get(place)
        opaque = found is not None and (found == _HIDING or found.opaque)
        if found is None or found.kind != stat.S_IFDIR:
            self._make_room(place)
        self.nodes[place] = replace(_node(entry, None), opaque=opaque)

    def _white_out(self, place: Parts) -> None:
        found = self.nodes.get(place)
        if found is None:
            self.nodes[place] = _HIDING
        elif found.kind == stat.S_IFDIR:
            self._hide_below(place)

    def _hide_below(self, folder: Parts) -> None:
        if folder:
            self.nodes[folder] = replace(self.nodes[folder], opaque=True)

    def _make_room(self, place: Parts) -> None:
        found = self.nodes.pop(place, None)
        if found is not None and found.kind == stat.S_IFDIR:
            for inner in [p for p in self.nodes if p[: len(place)] == place]:
                del self.nodes[inner]

    def _folder(self, name: str) -> Parts:
        """Where a folder lies, with links on the way followed; made where it is missing."""
        pending, done, links = name.split("/")[::-1], list[str](), 0
        while pending and links <= _MOST_LINKS:
            part = pending.pop()
            if part == "..":
                del done[-1:]
            if part in {"", ".", ".."}:
                continue
            found = self.nodes.setdefault((*done, part), _FOLDER)
            if found.kind != stat.S_IFLNK:
                done.append(part)
                continue
            links += 1
            done = [] if found.content.startswith("/") else done
            pending += found.content.split("/")[::-1]
        return tuple(done)


def _node(entry: Entry, content: BinaryIO | None) -> _Node:
    owner = (entry.uid, entry.gid)
    if entry.type == "symlink":
        return _Node(stat.S_IFLNK, 0o777, owner, content=entry.target)
    device = os.makedev(entry.major, entry.minor) if entry.type in {"char", "block"} else 0
    digest = _sha256(content) if content is not None else hashlib.sha256().hexdigest()
    digest = digest if entry.type == "file" else ""
    return _Node(_KINDS[entry.type], entry.mode, owner, entry.size, digest, device)
