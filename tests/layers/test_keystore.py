from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from pathlib import Path

import pytest
from layer_tools import MTIME, read_layer

from lapstrake.layers.from_tar import Times, write_rootfs
from lapstrake.layers.from_tree import write_diff
from lapstrake.layers.keystore import PLACE, with_time
from lapstrake.layers.root_split import Database, Split

NOW = 1_795_318_577_671


def keystore(*dates: int, known: str = "changeit", tag: int = 2, more: bytes = b"") -> bytes:
    """A store as Java writes it, with a certificate for each date (ms since 1970)."""
    content = struct.pack(">III", 0xFEEDFEED, 2, len(dates))
    for number, date in enumerate(dates):
        alias, certificate = f"debian:ca{number}.pem".encode(), bytes([number]) * (900 + number)
        content += struct.pack(">IH", tag, len(alias)) + alias + struct.pack(">Q", date)
        content += struct.pack(">H", 5) + b"X.509"
        content += struct.pack(">I", len(certificate)) + certificate
    content += more
    key = known.encode("utf-16-be") + b"Mighty Aphrodite"
    return content + hashlib.sha1(key + content, usedforsecurity=False).digest()


def test_two_installations_are_the_same_store() -> None:
    first, second = keystore(NOW, NOW + 3), keystore(NOW + 60_000, NOW + 60_007)
    assert first != second
    assert (
        with_time(first, MTIME) == with_time(second, MTIME) == keystore(MTIME * 1000, MTIME * 1000)
    )


def test_what_is_older_keeps_its_date() -> None:
    assert with_time(keystore(5, NOW), MTIME) == keystore(5, MTIME * 1000)


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"no store at all, but long enough to have a digest",
        keystore(NOW, known="secret"),
        keystore(NOW, tag=1),
        keystore(NOW, more=b"x"),
        keystore(NOW, NOW)[:-60],
        b"\0" + keystore(NOW),
    ],
    ids=["empty", "text", "password", "key", "more", "cut", "shifted"],
)
def test_what_is_no_such_store_stays(other: bytes) -> None:
    assert with_time(other, MTIME) == other


def test_a_store_whose_sizes_lie_stays() -> None:
    """With a right digest, so that it is read at all."""
    for at, value in ((8, 1 << 31), (8, 2), (16, 0xFFFF), (0, 1)):
        content = bytearray(keystore(NOW)[:-20])
        struct.pack_into(">I" if at in {0, 8} else ">H", content, at, value)
        key = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"
        whole = bytes(content) + hashlib.sha1(key + content, usedforsecurity=False).digest()
        assert with_time(whole, MTIME) == whole


@pytest.mark.root
def test_a_layer_of_what_commands_changed_has_it_so(tmp_path: Path) -> None:
    blobs = []
    for date in (NOW, NOW + 1000):
        upper = tmp_path / f"upper{date}"
        (upper / PLACE).parent.mkdir(parents=True)
        (upper / PLACE).write_bytes(keystore(date))
        (upper / "etc/other").write_bytes(keystore(NOW))
        blobs.append(write_diff(upper, tmp_path / f"layer{date}", MTIME))
    assert blobs[0].digest == blobs[1].digest
    found = read_layer(tmp_path / f"layer{NOW}")
    assert found[PLACE][1] == keystore(MTIME * 1000)
    assert found["etc/other"][1] == keystore(NOW)


def test_a_root_has_it_so(tmp_path: Path) -> None:
    data, out = keystore(NOW), io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(f"./{PLACE}")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    split = Split(Database({}, {}), {}, 1)
    ((path, _),) = write_rootfs(io.BytesIO(out.getvalue()), tmp_path, Times(MTIME), split)
    assert read_layer(path)[PLACE][1] == keystore(MTIME * 1000)
