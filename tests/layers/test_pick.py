from __future__ import annotations

from pathlib import Path

import pytest
from layer_tools import file, folder, hardlink, link, make_layer, read_layer

from lapstrake.errors import UserError
from lapstrake.layers.estargz import Entry
from lapstrake.layers.pick import pick_paths


@pytest.fixture
def image(tmp_path: Path) -> list[Path]:
    """Two layers: the upper one replaces, removes and hides parts of the lower."""
    lower = [
        folder("usr"),
        folder("usr/bin"),
        file("usr/bin/tool", b"tool", 0o4755, uid=3, gid=4),
        hardlink("usr/bin/tool2", "usr/bin/tool"),
        link("bin", "usr/bin"),
        link("usr/bin/alias", "/usr/bin/tool"),
        folder("etc"),
        file("etc/kept", b"kept"),
        file("etc/gone", b"gone"),
        file("etc/changed", b"old"),
        folder("var"),
        folder("var/hidden"),
        file("var/hidden/old", b"old"),
        file("x" * 150, b"long"),
    ]
    upper = [
        folder("etc", 0o700),
        file("etc/.wh.gone"),
        file("etc/changed", b"new"),
        folder("var/hidden"),
        file("var/hidden/.wh..wh..opq"),
        file("var/hidden/new", b"new", xattrs={"user.a": b"1"}),
        file("usr/bin/tool", b"newer tool"),
    ]
    return [make_layer(tmp_path / "lower", lower), make_layer(tmp_path / "upper", upper)]


def _pick(image: list[Path], *paths: tuple[str, str]) -> dict[str, tuple[str, bytes]]:
    out = image[0].parent / "out"
    pick_paths(image, paths, out)
    return {name: (e.type, content) for name, (e, content) in read_layer(out).items()}


def test_a_file_and_its_parents(image: list[Path]) -> None:
    assert _pick(image, ("/etc/changed", "/opt/a/b")) == {
        "opt": ("dir", b""),
        "opt/a": ("dir", b""),
        "opt/a/b": ("file", b"new"),
    }


def test_a_folder_is_taken_as_all_layers_leave_it(image: list[Path]) -> None:
    found = _pick(image, ("/etc", "/etc"), ("/var", "/data"))
    assert list(found) == [
        "data",
        "data/hidden",
        "data/hidden/new",
        "etc",
        "etc/changed",
        "etc/kept",
    ]
    entries = read_layer(image[0].parent / "out")
    assert entries["etc"][0].mode == 0o700
    assert entries["data/hidden/new"][0].xattrs == {"user.a": b"1"}


@pytest.mark.parametrize("path", ["/etc/gone", "/var/hidden/old", "/etc/kept/x", "/nope"])
def test_what_the_image_lacks_is_named(image: list[Path], path: str) -> None:
    with pytest.raises(UserError, match=f"the image has no {path}"):
        _pick(image, (path, "/x"))
    assert not (image[0].parent / "out").exists()


def test_links_on_the_way_and_at_the_end_are_followed(image: list[Path]) -> None:
    assert _pick(image, ("/bin/alias", "/t"), ("/bin/../bin/tool", "/u")) == {
        "t": ("file", b"newer tool"),
        "u": ("file", b"newer tool"),
    }


def test_links_inside_a_folder_stay_links(image: list[Path]) -> None:
    found = _pick(image, ("/bin", "/b"))
    assert found["b/alias"] == ("symlink", b"")
    assert found["b/tool"] == ("file", b"newer tool")


def test_a_hard_link_whose_file_changed_above_has_the_old_content(image: list[Path]) -> None:
    assert _pick(image, ("/usr/bin/tool2", "/t")) == {"t": ("file", b"tool")}
    entry = read_layer(image[0].parent / "out")["t"][0]
    assert (entry.mode, entry.uid, entry.gid) == (0o4755, 3, 4)


def test_names_of_one_file_stay_one_file_where_both_are_taken(image: list[Path]) -> None:
    found = _entries(image[:1], ("/usr/bin", "/b"))
    assert found["b/tool"].type == "file"
    assert (found["b/tool2"].type, found["b/tool2"].target) == ("hardlink", "b/tool")
    apart = _entries(image[:1], ("/usr/bin/tool", "/x"), ("/usr/bin/tool2", "/y"))
    assert (apart["x"].type, apart["y"].type) == ("file", "file")


def _entries(image: list[Path], *paths: tuple[str, str]) -> dict[str, Entry]:
    out = image[0].parent / "out"
    pick_paths(image, paths, out)
    return {name: entry for name, (entry, _) in read_layer(out).items()}


def test_the_whole_image_and_long_names(image: list[Path]) -> None:
    found = _pick(image, ("/", "/"))
    assert found["x" * 150] == ("file", b"long")
    assert {"bin", "usr/bin/tool", "etc/kept", "var/hidden/new"} <= found.keys()


def test_the_order_of_paths_is_no_input_of_the_bytes(image: list[Path], tmp_path: Path) -> None:
    paths = [("/etc", "/e"), ("/var", "/v")]
    first = pick_paths(image, paths, tmp_path / "1")
    assert pick_paths(image, paths[::-1], tmp_path / "2") == first


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    blob = make_layer(tmp_path / "blob", [link("a", "b"), link("b", "a")])
    with pytest.raises(UserError, match="circle"):
        pick_paths([blob], [("/a/x", "/x")], tmp_path / "out")
