"""Two layers that differ in one thing: just that is named."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from inspect_hand_made import MTIME, entry, layer, tar_of, two_members

from lapstrake.errors import UserError
from lapstrake.inspect.layers import Difference, compare_layers
from lapstrake.layers.estargz import Entry, LayerWriter

FIRST = entry("etc/first", b"one")
LAST = entry("etc/last", b"two")


def differences(tmp_path: Path, a: bytes, b: bytes) -> list[Difference]:
    return compare_layers(layer(tmp_path / "a", a), layer(tmp_path / "b", b))


@pytest.mark.parametrize(
    ("fields", "field", "a", "b"),
    [
        ({"mode": 0o755}, "mode", "0644", "0755"),
        ({"mtime": MTIME + 1}, "mtime", str(MTIME), str(MTIME + 1)),
        ({"uid": 7}, "owner", "0:0", "7:0"),
        ({"gid": 7}, "owner", "0:0", "0:7"),
        ({"uname": "jo"}, "owner's names", ":", "jo:"),
        (
            {"pax_headers": {"SCHILY.xattr.user.k": "v"}},
            "xattr user.k",
            "none",
            b"v".hex(),
        ),
    ],
)
def test_one_field_of_one_file(
    tmp_path: Path, fields: dict[str, object], field: str, a: str, b: str
) -> None:
    ours = tar_of(FIRST, entry("etc/x", b"data"), LAST)
    theirs = tar_of(FIRST, entry("etc/x", b"data", **fields), LAST)
    assert differences(tmp_path, ours, theirs) == [Difference("etc/x", field, a, b)]


def test_content_of_one_size(tmp_path: Path) -> None:
    ours, theirs = tar_of(FIRST, entry("x", b"abc")), tar_of(FIRST, entry("x", b"abd"))
    (found,) = differences(tmp_path, ours, theirs)
    assert (found.path, found.field) == ("x", "content")
    assert found.a.startswith("sha256:ba7816bf")
    assert str(found).startswith("x: content sha256:ba7816bf")


def test_size_is_named_beside_content(tmp_path: Path) -> None:
    found = differences(tmp_path, tar_of(entry("x", b"abc")), tar_of(entry("x", b"ab")))
    assert [d.field for d in found] == ["size", "content"]


def test_a_link_that_leads_elsewhere(tmp_path: Path) -> None:
    ours, theirs = (
        tar_of(entry("x", type=tarfile.SYMTYPE, linkname=target)) for target in ("y", "z")
    )
    assert differences(tmp_path, ours, theirs) == [Difference("x", "target", "y", "z")]


def test_files_that_one_side_lacks(tmp_path: Path) -> None:
    found = differences(tmp_path, tar_of(FIRST, LAST), tar_of(LAST, entry("new")))
    assert [str(d) for d in found] == ["etc/first: only in A", "new: only in B"]


def test_the_order_of_entries(tmp_path: Path) -> None:
    (found,) = differences(tmp_path, tar_of(FIRST, LAST), tar_of(LAST, FIRST))
    assert found.field == "order"
    assert found.a.endswith("etc/first")
    assert found.b.endswith("etc/last")


def test_a_name_that_comes_twice(tmp_path: Path) -> None:
    (found,) = differences(tmp_path, tar_of(FIRST, FIRST), tar_of(FIRST))
    assert str(found) == "etc/first (entry 2 of that name): only in A"


def test_headers_that_say_the_same_in_another_way(tmp_path: Path) -> None:
    forms = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT)
    ours, theirs = (tar_of(FIRST, LAST, form=form) for form in forms)
    (found,) = differences(tmp_path, ours, theirs)
    assert found.path == "etc/first"
    # the magic differs, and before it the checksum of all
    assert found.field.startswith("byte 151 of the tar")
    assert found.a != found.b


def test_gzip_members(tmp_path: Path) -> None:
    tar = tar_of(FIRST, LAST)
    found = compare_layers(layer(tmp_path / "a", tar), layer(tmp_path / "b", tar, two_members))
    assert found[0].field == "gzip framing"
    assert found[0].a.startswith("1 members")
    assert found[0].b.startswith("2 members")
    assert "of the blob" in found[1].field


def test_equal_layers(tmp_path: Path) -> None:
    tar = tar_of(FIRST, LAST)
    assert differences(tmp_path, tar, tar) == []


def written(path: Path, mtime: int) -> Path:
    with LayerWriter(path) as out:
        out.add(Entry("a", "file", 0o644, 1, size=1), b"a")
        out.add(Entry("d", "dir", 0o755, mtime))
    return path


def test_the_table_of_contents_is_not_named_beside_what_it_says(tmp_path: Path) -> None:
    found = compare_layers(written(tmp_path / "a", 1), written(tmp_path / "b", 2))
    assert found == [Difference("d", "mtime", "1", "2")]


def test_a_damaged_layer_is_a_user_error(tmp_path: Path) -> None:
    good = written(tmp_path / "a", 1)
    (tmp_path / "b").write_bytes(good.read_bytes()[:60])
    with pytest.raises(UserError, match="damaged"):
        compare_layers(good, tmp_path / "b")
