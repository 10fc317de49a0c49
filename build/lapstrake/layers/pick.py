"""Paths taken out of an image, to a layer: no root needed, and nothing is unpacked."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from lapstrake.errors import UserError
from lapstrake.layers.estargz import LayerWriter
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.parents import parents_of
from lapstrake.layers.tarheader import Entry
from lapstrake.layers.tarread import OPAQUE, WHITEOUT, layer_members
from lapstrake.store.records import Blob

_MOST_LINKS = 40
_COPY = 1 << 20

# Where an entry stands: which blob, and which entry of it.
Place = tuple[int, int]


@dataclass
class _Node:
    """A path of the image as all layers together have it."""

    entry: Entry | None = None
    place: Place = (-1, -1)
    children: dict[str, _Node] = field(default_factory=dict)


@dataclass(frozen=True)
class _Pick:
    """An entry of the new layer, where its content stands (None: it has none), and which of
    the pairs asked for it: names of one file stay one file only within a pair.
    """

    entry: Entry
    place: Place | None = None
    pair: int = -1


def pick_paths(blobs: Sequence[Path], paths: Sequence[tuple[str, str]], out: Path) -> Blob:
    """Write the layer of paths taken out of an image, as `COPY --from` would take them.

    Symbolic links on the way to a path, and the path itself where it is one, are followed inside
    the image; those inside a folder that is taken stay links.

    Args:
        blobs: the image's layers, bottom to top.
        paths: (from, to) pairs, both absolute; a folder is taken with all that is in it.
        out: the blob's file.

    Raises:
        UserError: the image lacks one of the paths, or a layer is damaged.
    """
    root = _image(blobs)
    picks: dict[str, _Pick] = {}
    for pair, (source, to) in enumerate(paths):
        for pick in _take(_find(root, source), to.strip("/")):
            picks[pick.entry.name] = replace(pick, pair=pair)
    for folder, mode in parents_of(picks):
        picks[folder] = _Pick(Entry(folder, "dir", mode, FIXED_MTIME))
    with tempfile.TemporaryFile(dir=out.parent) as spool:
        where = _contents(blobs, {p.place for p in picks.values() if p.place}, spool)
        return _write(picks, where, spool, out)


def _image(blobs: Sequence[Path]) -> _Node:
    root = _Node()
    for number, blob in enumerate(blobs):
        for name, node in _layer(root, number, blob):
            _put(root, name, node)
    return root


def _layer(root: _Node, number: int, blob: Path) -> Iterator[tuple[str, _Node]]:
    """A layer's entries, after its whiteouts were applied to the layers below it."""
    nodes: dict[str, _Node] = {}
    for index, member in enumerate(layer_members(blob)):
        name = member.entry.name
        folder, _, last = name.rpartition("/")
        if last == OPAQUE:
            if (hidden := _at(root, folder)) is not None:
                hidden.children.clear()
        elif last.startswith(WHITEOUT):
            if (hidden := _at(root, folder)) is not None:
                hidden.children.pop(last.removeprefix(WHITEOUT), None)
        else:
            node = _Node(member.entry, (number, index))
            nodes[name] = _linked(root, nodes, node) if member.entry.type == "hardlink" else node
    yield from nodes.items()


def _linked(root: _Node, nodes: dict[str, _Node], link: _Node) -> _Node:
    """A hard link as what it is: one more name of a file, of its own layer or one below."""
    if link.entry is None:
        return link
    file = nodes.get(link.entry.target) or _at(root, link.entry.target)
    if file is None or file.entry is None:
        raise UserError(f"a layer of the image has a link to nothing: /{link.entry.name}")
    return _Node(replace(file.entry, name=link.entry.name), file.place)


def _at(root: _Node, name: str) -> _Node | None:
    node: _Node | None = root
    for part in name.split("/") if name else ():
        node = node.children.get(part) if node else None
    return node


def _put(root: _Node, name: str, node: _Node) -> None:
    folder, _, last = name.rpartition("/")
    above = root
    for part in folder.split("/") if folder else ():
        above = above.children.setdefault(part, _Node())
        if above.entry is not None and above.entry.type != "dir":
            above.entry = None
    found = above.children.get(last)
    if found is not None and _is_folder(found) and _is_folder(node):
        node.children = found.children
    above.children[last] = node


def _is_folder(node: _Node) -> bool:
    return node.entry is None or node.entry.type == "dir"


def _find(root: _Node, path: str) -> _Node:
    """What is at a path, with links followed as if `root` were the file system's."""
    pending, done, links = path.split("/")[::-1], [root], 0
    while pending:
        part = pending.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            done = done[:-1] or [root]
            continue
        node = done[-1].children.get(part)
        if node is None:
            raise UserError(f"the image has no {path}", "check the path under copy")
        if node.entry is None or node.entry.type != "symlink":
            done.append(node)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise UserError(f"{path} is a circle of symbolic links in the image")
        if node.entry.target.startswith("/"):
            done = [root]
        pending += node.entry.target.split("/")[::-1]
    return done[-1]


def _take(node: _Node, name: str) -> Iterator[_Pick]:
    """What is at `node`, and all below it, under a new name."""
    entry = node.entry or Entry(name, "dir", 0o755, FIXED_MTIME)
    if name:
        place = node.place if entry.type == "file" else None
        yield _Pick(replace(entry, name=name), place)
    if entry.type == "dir":
        for last, child in node.children.items():
            yield from _take(child, f"{name}/{last}".lstrip("/"))


def _contents(
    blobs: Sequence[Path], places: set[Place], spool: IO[bytes]
) -> dict[Place, tuple[int, int]]:
    """Copy the wanted contents to `spool`; where each begins and ends there."""
    where: dict[Place, tuple[int, int]] = {}
    for number, blob in enumerate(blobs):
        wanted = {index for layer, index in places if layer == number}
        if not wanted:
            continue
        for index, member in enumerate(layer_members(blob)):
            if index in wanted and member.content is not None:
                begin = spool.tell()
                while piece := member.content.read(_COPY):
                    spool.write(piece)
                where[number, index] = (begin, spool.tell())
            if index >= max(wanted):
                break
    spool.flush()
    return where


def _write(
    picks: dict[str, _Pick], where: dict[Place, tuple[int, int]], spool: IO[bytes], out: Path
) -> Blob:
    written: dict[tuple[Place, int], str] = {}
    with LayerWriter(out) as layer:
        for name, pick in sorted(picks.items()):
            if pick.place is None:
                layer.add(pick.entry)
                continue
            first = written.setdefault((pick.place, pick.pair), name)
            if first != name:
                layer.add(replace(pick.entry, type="hardlink", size=0, target=first, xattrs={}))
                continue
            begin, end = where[pick.place]
            layer.add(pick.entry, _slice(spool, begin, end))
    return layer.blob


def _slice(spool: IO[bytes], begin: int, end: int) -> memoryview | bytes:
    if begin == end:
        return b""
    base = begin - begin % mmap.ALLOCATIONGRANULARITY
    mapped = mmap.mmap(spool.fileno(), end - base, access=mmap.ACCESS_READ, offset=base)
    return memoryview(mapped)[begin - base :]
