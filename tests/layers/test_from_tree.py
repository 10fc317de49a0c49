from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from layer_tools import MTIME, read_layer, snapshot

from lapstrake.errors import UserError
from lapstrake.layers.from_tree import write_diff
from lapstrake.layers.unpack import unpack

pytestmark = pytest.mark.root

_CAPABILITY = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
_LONG = "n" * 200
_WHITEOUT = os.makedev(0, 0)


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    """A folder as an overlay leaves it, with one of everything that a layer can hold."""
    root = tmp_path / "upper"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/su").write_bytes(b"su")
    (root / "usr/bin/su").chmod(0o4755)
    (root / "usr/bin/ping").write_bytes(b"ping")
    os.setxattr(root / "usr/bin/ping", "security.capability", _CAPABILITY)
    os.setxattr(root / "usr/bin/ping", "user.note", b"\x00\xff=\n")
    os.link(root / "usr/bin/ping", root / "usr/bin/ping6")
    (root / "usr/bin/odd").symlink_to("../lib//odd/")
    (root / "srv").mkdir(mode=0o2775)
    (root / "srv").chmod(0o2775)
    os.chown(root / "srv", 1000, 2000)
    (root / "srv/owned").write_bytes(b"x" * 5_000_000)
    os.chown(root / "srv/owned", 3_000_000, 1234)
    os.mkfifo(root / "srv/pipe", 0o600)
    os.mknod(root / "srv/device", stat.S_IFCHR | 0o660, os.makedev(10, 200))
    deep = root / "srv" / _LONG / _LONG
    deep.mkdir(parents=True)
    (deep / "näme\udcff").write_bytes(b"")
    (root / "etc").mkdir()
    os.mknod(root / "etc/gone", stat.S_IFCHR, _WHITEOUT)
    (root / "etc/new").mkdir()
    os.setxattr(root / "etc/new", "user.overlay.opaque", b"y")
    (root / "etc/new/file").write_bytes(b"new")
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, (MTIME, MTIME), follow_symlinks=False)
    return root


def test_a_difference_survives_a_round_trip(upper: Path, tmp_path: Path) -> None:
    write_diff(upper, tmp_path / "blob", MTIME)
    into = tmp_path / "into"
    into.mkdir()
    unpack(tmp_path / "blob", into)
    assert snapshot(into) == snapshot(upper)


def test_whiteouts_come_before_the_files_beside_them(upper: Path, tmp_path: Path) -> None:
    (upper / "etc/after").write_bytes(b"")
    (upper / "etc/zz").write_bytes(b"")
    write_diff(upper, tmp_path / "blob", MTIME)
    names = [name for name in read_layer(tmp_path / "blob") if name.startswith("etc")]
    assert names == [
        "etc",
        "etc/.wh.gone",
        "etc/after",
        "etc/new",
        "etc/new/.wh..wh..opq",
        "etc/new/file",
        "etc/zz",
    ]


def test_new_folders_hide_nothing_where_nothing_is_below(upper: Path, tmp_path: Path) -> None:
    write_diff(upper, tmp_path / "blob", MTIME, is_below=lambda name: name != "etc/new")
    found = read_layer(tmp_path / "blob")
    assert "etc/new/file" in found
    assert "etc/new/.wh..wh..opq" not in found


def test_attributes_of_the_overlay_stay_out(upper: Path, tmp_path: Path) -> None:
    os.setxattr(upper / "srv", "trusted.overlay.origin", b"x")
    os.setxattr(upper / "srv", "user.overlay.impure", b"y")
    write_diff(upper, tmp_path / "blob", MTIME)
    assert read_layer(tmp_path / "blob")["srv"][0].xattrs == {}


def test_noise_and_sockets_stay_out_but_folders_and_whiteouts_stay(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    for name in ("etc/ssh", "var/log/apt", "var/lib/apt/lists", "var/cache/apt"):
        (upper / name).mkdir(parents=True)
    for name in ("etc/ssh/ssh_host_rsa_key", "var/log/dpkg.log", "var/log/apt/term.log"):
        (upper / name).write_bytes(b"")
    (upper / "var/log/mine.log").write_bytes(b"")
    os.mknod(upper / "var/log/alternatives.log", stat.S_IFCHR, _WHITEOUT)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(upper / "s"))
    write_diff(upper, tmp_path / "blob", MTIME)
    found = read_layer(tmp_path / "blob")
    assert [name for name, (entry, _) in found.items() if entry.type != "dir"] == [
        "var/log/.wh.alternatives.log",
        "var/log/mine.log",
    ]
    assert {"etc/ssh", "var/log/apt", "var/lib/apt/lists"} <= found.keys()


def test_times_after_the_epoch_are_the_epoch(upper: Path, tmp_path: Path) -> None:
    os.utime(upper / "usr/bin/su", (MTIME + 7, MTIME + 7))
    os.utime(upper / "usr/bin/ping", (MTIME - 7, MTIME - 7))
    write_diff(upper, tmp_path / "blob", MTIME)
    found = read_layer(tmp_path / "blob")
    assert found["usr/bin/su"][0].mtime == MTIME
    assert found["usr/bin/ping"][0].mtime == MTIME - 7


def test_a_name_that_would_be_a_whiteout_is_refused(upper: Path, tmp_path: Path) -> None:
    (upper / "srv/.wh.trick").write_bytes(b"")
    with pytest.raises(UserError, match=r"\.wh\.trick"):
        write_diff(upper, tmp_path / "blob", MTIME)
    assert not (tmp_path / "blob").exists()
