"""`lapstrake explain` of small builds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inspect_hand_made import entry, tar_of

from lapstrake.errors import UserError
from lapstrake.inspect.contents import largest_folders, list_files, packages_of
from lapstrake.layers.files_layer import write_files
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.store.store import Store
from support.tinyimages import built, image

Command = Callable[..., tuple[int, str]]
Answer = Callable[..., Any]


def test_layers_bottom_up_and_who_shares_them(tmp_path: Path, store: Store, answer: Answer) -> None:
    build = built(
        tmp_path / "dist", store, image("a", "x", "y"), image("b", "x"), image("c", "x", "y")
    )
    found = answer("explain", "a")
    assert found["digest"] == build.image("a").digest
    assert [x["title"] for x in found["layers"]] == ["file x", "file y"]
    assert [x["shared"] for x in found["layers"]] == [["b", "c"], ["c"]]
    first = found["layers"][0]
    assert first["files"] == 1
    assert first["largest"] == [{"path": "srv", "bytes": 1}]
    assert first["size"] == build.image("a").layers[0].size


def test_every_file(tmp_path: Path, store: Store, answer: Answer, lapstrake: Command) -> None:
    built(tmp_path / "dist", store, image("a", "hello"))
    (layer,) = answer("explain", "a", "--files")["layers"]
    assert layer["entries"] == [
        {"path": "srv/hello", "type": "file", "mode": 0o644, "bytes": 5, "target": ""}
    ]
    assert "srv/hello" in lapstrake("explain", "a", "--files")[1]
    assert "srv/hello" not in lapstrake("explain", "a")[1]


def changed(text: str) -> Files:
    return Files("the service", (FileEntry.of("/etc/service", text.encode()),))


def test_why_a_layer_was_built(tmp_path: Path, store: Store, answer: Answer) -> None:
    """The record of the layer that it replaced says what has changed since."""
    plan = image("a", "x")
    before = replace(plan, layers=(*plan.layers, changed("old")))
    built(tmp_path / "dist", store, before)
    why = [x["why"] for x in answer("explain", "a")["layers"]]
    assert why == [["not built here before"]] * 2
    for record in (store.root / "layers").iterdir():
        os.utime(record, (1, 1))
    built(tmp_path / "dist", store, replace(plan, layers=(*plan.layers, changed("new"))))
    why = answer("explain", "a")["layers"][1]["why"]
    assert len(why) == 1
    assert why[0].startswith("files /etc/service")


def test_without_the_cache_it_says_so(
    tmp_path: Path, store: Store, lapstrake: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(tmp_path / "dist", store, image("a", "x"))
    monkeypatch.setenv("LAPSTRAKE_CACHE", str(tmp_path / "nowhere"))
    assert "no record of it" in lapstrake("explain", "a")[1]
    assert not (tmp_path / "nowhere").exists()


def test_an_image_that_is_not_there(tmp_path: Path, store: Store, lapstrake: Command) -> None:
    built(tmp_path / "dist", store, image("a", "x"))
    with pytest.raises(UserError, match="b is not in dist/"):
        lapstrake("explain", "b")


def test_files_are_the_same_by_table_and_by_tar(tmp_path: Path) -> None:
    """Layers of others have no table of contents; what is said of them is the same."""
    link = FileEntry("/srv/link", 0o777, "symlink", target="text")
    layer = Files("t", (link, FileEntry.of("/srv/text", b"12345", 0o600)))
    ours = tmp_path / "ours"
    write_files(layer, ours)
    theirs = tmp_path / "theirs"
    theirs.write_bytes(
        tar_of(
            entry("srv", type=b"5", mode=0o755),
            entry("srv/link", type=b"2", linkname="text", mode=0o777),
            entry("./srv/text", b"12345", mode=0o600),
        )
    )
    assert list_files(ours) == list_files(theirs)
    assert len(list_files(ours)) == 2


def test_where_the_bytes_are(tmp_path: Path) -> None:
    blob = tmp_path / "layer"
    site = "opt/venv/lib/python3.11/site-packages"
    blob.write_bytes(
        tar_of(
            entry(f"{site}/numpy/a/b.so", b"12345"),
            entry(f"{site}/numpy/c.py", b"1"),
            entry("usr/lib/x/y/z", b"123"),
            entry("top", b"1"),
            entry("usr/bin/empty", b""),
        )
    )
    assert largest_folders(list_files(blob), 9) == [
        (f"{site}/numpy", 6),
        ("usr/lib", 3),
        ("/", 1),
    ]


def test_an_opaque_folder_takes_what_lies_below(tmp_path: Path) -> None:
    site = "opt/venv/lib/python3.11/site-packages"
    layers = [tmp_path / "one", tmp_path / "two"]
    layers[0].write_bytes(tar_of(entry(f"{site}/numpy-1.dist-info/METADATA")))
    layers[1].write_bytes(tar_of(entry("opt/venv/.wh..wh..opq")))
    assert len(packages_of(layers[:1])) == 1
    assert packages_of(layers) == {}
