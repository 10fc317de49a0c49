from __future__ import annotations

import json
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake.lock.file import read_lock, write_lock
from lapstrake.lock.model import Deb, Lock, Resolution, Wheel

LOCK = Lock(
    platform="linux/amd64",
    epoch=86400,
    roots={
        "base": (
            Deb(
                name="tini",
                version="1:0.19~é",
                arch="amd64",
                sha256="ab",
                size=3,
                path="pool/t.deb",
                archive="bookworm",
            ),
        )
    },
    apt={},
    images={"x/y:1": "sha256:00"},
    resolutions={
        "family": Resolution(
            python="3.11",
            glibc="2.36",
            wheels=(Wheel(name="a", version="1", filename="a.whl", sha256="cd", size=1),),
            closures={"slim": ("a",)},
        )
    },
    inputs={"python": {"version": None, "constraints": ["b<2"]}},
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lapstrake.lock"
    write_lock(path, LOCK)
    assert read_lock(path) == LOCK
    text = path.read_bytes()
    assert text.endswith(b"}\n")
    write_lock(path, read_lock(path))
    assert path.read_bytes() == text
    assert [p.name for p in tmp_path.iterdir()] == ["lapstrake.lock"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n1", "lapstrake.lock:2: is no JSON: Expecting property name"),
        ('{\n<<<<<<< HEAD\n"a": 1', "lapstrake.lock:2: holds an unresolved merge"),
        ("[]", "lapstrake.lock is no lock of this Lapstrake: the whole: "),
        ('{"version": 2}', "lapstrake.lock was written by a newer Lapstrake"),
        ('{"version": 1}', "lapstrake.lock is no lock of this Lapstrake: platform: field required"),
    ],
)
def test_what_is_no_lock(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "lapstrake.lock"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_lock(path)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_no_lock(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no lapstrake\.lock"):
        read_lock(tmp_path / "lapstrake.lock")


def test_a_folder_that_can_not_be_written_keeps_the_old(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        write_lock(tmp_path / "file/lapstrake.lock", LOCK)


def test_nothing_in_it_says_where_things_are() -> None:
    names = json.dumps(Lock.model_json_schema())
    assert "url" not in names
    assert "host" not in names
