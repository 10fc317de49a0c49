from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from layouts import make_layout

from lapstrake import process
from lapstrake.engines.local import mounts
from lapstrake.layers.estargz import Entry, LayerWriter
from lapstrake.layers.unpack import unpack
from lapstrake.store.records import Blob

pytestmark = pytest.mark.root

_MTIME = 1_600_000_000


def _write(path: Path, items: list[tuple[Entry, bytes]]) -> tuple[Path, Blob]:
    with LayerWriter(path) as layer:
        for entry, content in items:
            layer.add(entry, content if entry.type == "file" else None)
    return path, layer.blob


def _item(name: str, kind: str, content: bytes = b"", **more: object) -> tuple[Entry, bytes]:
    mode = more.pop("mode", 0o755)
    size = len(content)
    return Entry(name, kind, mode, _MTIME, size=size, **more), content  # type: ignore[arg-type]


_LOWER = [
    _item("etc", "dir"),
    _item("etc/gone", "file", b"gone"),
    _item("etc/kept", "file", b"kept", uid=3, gid=4),
    _item("opaque", "dir"),
    _item("opaque/old", "file", b"old"),
    _item("usr", "dir", mode=0o2775, gid=50),
    _item("usr/su", "file", b"su", mode=0o4755),
    _item("usr/su2", "hardlink", target="usr/su"),
    _item("usr/cap", "file", b"c", xattrs={"security.capability": b"\1\0\0\2\0\x20" + bytes(14)}),
    _item("usr/link", "symlink", mode=0o777, target="../etc/kept"),
    _item("usr/" + "n" * 180, "file", b"long"),
    _item("usr/näme", "file", "ü".encode()),
    _item("usr/pipe", "fifo", mode=0o600),
]
_UPPER = [
    _item("etc", "dir", mode=0o700),
    _item("etc/.wh.gone", "file"),
    _item("opaque", "dir"),
    _item("opaque/.wh..wh..opq", "file"),
    _item("opaque/new", "file", b"new"),
    _item("usr", "dir", mode=0o2775, gid=50),
    _item("usr/big", "file", bytes(range(256)) * 40_000),
]


def _seen(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        xattrs = os.listxattr(path, follow_symlinks=False)
        content: object = b""
        if stat.S_ISREG(info.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(info.st_mode):
            content = path.readlink()
        capability = "security.capability" in xattrs and os.getxattr(path, "security.capability")
        owner = (info.st_uid, info.st_gid)
        mtime = int(info.st_mtime)
        found[str(path.relative_to(root))] = (info.st_mode, *owner, mtime, content, capability)
    return found


def test_umoci_sees_the_same_files_as_an_overlay_of_our_folders(tmp_path: Path) -> None:
    layers = [_write(tmp_path / "lower.blob", _LOWER), _write(tmp_path / "upper.blob", _UPPER)]
    make_layout(tmp_path / "layout", layers)
    process.run(["umoci", "unpack", "--image", f"{tmp_path}/layout:image", tmp_path / "bundle"])
    lowers = []
    for path, _ in layers:
        into = tmp_path / path.stem
        into.mkdir()
        unpack(path, into)
        lowers.append(into)
    work = tmp_path / "work"
    work.mkdir()
    _, merged = mounts.overlay(lowers, work)
    try:
        ours = _seen(merged)
    finally:
        mounts.unmount(merged)
    theirs = _seen(tmp_path / "bundle/rootfs")
    # the table of contents is a file to whoever doesn't know it
    del theirs["stargz.index.json"]
    assert ours == theirs
    assert os.path.samestat((tmp_path / "lower/usr/su").stat(), (tmp_path / "lower/usr/su2").stat())
