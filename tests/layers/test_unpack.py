from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from layer_tools import MTIME, file, folder, hardlink, link, make_layer

from lapstrake.errors import UserError
from lapstrake.layers.unpack import unpack

pytestmark = pytest.mark.root


@pytest.fixture
def into(tmp_path: Path) -> Path:
    path = tmp_path / "into"
    path.mkdir()
    return path


def _tar(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """A plain tar of (name, type, link target), with names as they are."""
    with tarfile.open(path, "w") as tar:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode, info.mtime = kind, target, 0o755, MTIME
            content = b"evil" if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_whiteouts_take_the_overlays_form(into: Path, tmp_path: Path) -> None:
    blob = make_layer(
        tmp_path / "blob",
        [folder("etc"), file("etc/.wh.gone"), folder("new"), file("new/.wh..wh..opq")],
    )
    unpack(blob, into)
    info = (into / "etc/gone").lstat()
    assert stat.S_ISCHR(info.st_mode)
    assert info.st_rdev == os.makedev(0, 0)
    assert os.getxattr(into / "new", "user.overlay.opaque") == b"y"
    assert [p.name for p in into.rglob(".wh*")] == []


@pytest.mark.parametrize("first", ["whiteout", "folder"])
def test_a_folder_in_place_of_what_a_whiteout_removes(
    into: Path, tmp_path: Path, first: str
) -> None:
    items = [file(".wh.x"), folder("x")]
    blob = make_layer(tmp_path / "blob", items if first == "whiteout" else items[::-1])
    unpack(blob, into)
    assert (into / "x").is_dir()
    assert os.getxattr(into / "x", "user.overlay.opaque") == b"y"


def test_the_tables_of_lazy_pulling_are_no_files(into: Path, tmp_path: Path) -> None:
    unpack(make_layer(tmp_path / "blob", [file("a", b"a")]), into)
    assert [p.name for p in into.iterdir()] == ["a"]


def test_links_are_followed_inside_the_root(into: Path, tmp_path: Path) -> None:
    blob = make_layer(
        tmp_path / "blob",
        [
            folder("usr/lib"),
            link("lib", "/usr/lib"),
            link("up", "../../../usr"),
            file("lib/a", b"a"),
        ],
    )
    unpack(blob, into)
    assert (into / "usr/lib/a").read_bytes() == b"a"
    again = make_layer(tmp_path / "again", [link("up", "../../../usr"), file("up/b", b"b")])
    other = tmp_path / "other"
    other.mkdir()
    unpack(again, other)
    assert (other / "usr/b").read_bytes() == b"b"


def test_nothing_is_written_outside(into: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_bytes(b"mine")
    blob = _tar(
        tmp_path / "tar",
        ("/absolute", tarfile.REGTYPE, ""),
        ("escape", tarfile.SYMTYPE, os.fspath(outside)),
        ("escape/planted", tarfile.REGTYPE, ""),
        ("relative", tarfile.SYMTYPE, "../outside"),
        ("relative/planted", tarfile.REGTYPE, ""),
        ("victim", tarfile.SYMTYPE, os.fspath(outside / "victim")),
        ("victim", tarfile.REGTYPE, ""),
    )
    unpack(blob, into)
    assert [p.name for p in outside.iterdir()] == ["victim"]
    assert (outside / "victim").read_bytes() == b"mine"
    assert (into / "absolute").read_bytes() == b"evil"
    assert (into / "victim").read_bytes() == b"evil"
    assert not (into / "victim").is_symlink()


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/.."])
def test_a_name_with_dots_is_refused(into: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="outside the image"):
        unpack(_tar(tmp_path / "tar", (name, tarfile.REGTYPE, "")), into)
    assert list(into.iterdir()) == []


def test_a_hard_link_cannot_reach_outside(into: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    with pytest.raises(UserError, match="outside the image"):
        unpack(_tar(tmp_path / "tar", ("x", tarfile.LNKTYPE, "../victim")), into)
    blob = _tar(
        tmp_path / "tar2",
        ("up", tarfile.SYMTYPE, ".."),
        ("x", tarfile.LNKTYPE, "up/victim"),
    )
    with pytest.raises(UserError, match="can't be unpacked"):
        unpack(blob, into)
    assert (tmp_path / "victim").stat().st_nlink == 1


def test_a_circle_of_links_is_refused(into: Path, tmp_path: Path) -> None:
    blob = make_layer(tmp_path / "blob", [link("a", "b"), link("b", "a"), file("a/x")])
    with pytest.raises(UserError, match="can't be unpacked"):
        unpack(blob, into)


def test_the_last_of_two_entries_of_one_name_wins(into: Path, tmp_path: Path) -> None:
    blob = make_layer(
        tmp_path / "blob",
        [
            file("a", b"old"),
            hardlink("b", "a"),
            file("a", b"new"),
            folder("c"),
            file("c/x"),
            file("c"),
        ],
    )
    unpack(blob, into)
    assert (into / "a").read_bytes() == b"new"
    assert (into / "b").read_bytes() == b"old"
    assert (into / "c").is_file()


def test_folders_keep_times_and_modes(into: Path, tmp_path: Path) -> None:
    items = [folder("a", 0o500, uid=4), file("a/x"), folder("a/b", 0o1777), file("a/b/c")]
    unpack(make_layer(tmp_path / "blob", items), into)
    for name, mode in (("a", 0o500), ("a/b", 0o1777)):
        info = (into / name).stat()
        assert (stat.S_IMODE(info.st_mode), int(info.st_mtime)) == (mode, MTIME)


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_layer_is_named(into: Path, tmp_path: Path, damage: str) -> None:
    blob = make_layer(tmp_path / "blob", [file("a", os.urandom(100_000)), file("b", b"b" * 1000)])
    data = bytearray(blob.read_bytes())
    if damage == "truncated":
        del data[50_000:]
    else:
        data[50_000] ^= 0xFF
    blob.write_bytes(data)
    with pytest.raises(UserError, match="the layer blob is damaged"):
        unpack(blob, into)


def test_damage_within_a_files_content_is_named(into: Path, tmp_path: Path) -> None:
    blob = make_layer(tmp_path / "blob", [file("a", os.urandom(200_000).hex().encode())])
    data = bytearray(blob.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    blob.write_bytes(data)
    with pytest.raises(UserError, match="the layer blob is damaged"):
        unpack(blob, into)


def test_a_layer_compressed_with_zstd_is_refused(into: Path, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    with pytest.raises(UserError, match="zstd"):
        unpack(tmp_path / "blob", into)
