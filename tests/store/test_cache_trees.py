"""`lapstrake cache verify` over unpacked layers: each is compared with what its layer has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lapstrake.layers.estargz import Entry, LayerWriter
from lapstrake.layers.unpack import unpack
from lapstrake.store.records import Blob, LayerRecord
from lapstrake.store.store import Store
from lapstrake.store.verify import repair, verify

pytestmark = pytest.mark.root

_BIG = bytes(range(256)) * 20_000


def _entry(name: str, kind: str, **more: object) -> Entry:
    fields: dict[str, object] = {"mode": 0o755, "mtime": 1_600_000_000, **more}
    return Entry(name, kind, **fields)  # type: ignore[arg-type]


# What a layer may have, and what unpacking makes another thing of: whiteouts, entries that come
# twice, folders that are only implied, a link on the way.
_ITEMS: tuple[tuple[Entry, bytes | None], ...] = (
    (_entry("usr", "dir"), None),
    (_entry("usr/big", "file", size=len(_BIG), mode=0o4711, uid=5, gid=6), _BIG),
    (_entry("usr/empty", "file", mode=0o600), b""),
    (_entry("usr/again", "hardlink", target="usr/big"), None),
    (_entry("bin", "symlink", target="usr/bin"), None),
    (_entry("bin/tool", "file", size=4), b"tool"),
    (_entry("implied/by/a/file", "file", size=1), b"x"),
    (_entry("usr/.wh.gone", "file"), b""),
    (_entry("opaque", "dir"), None),
    (_entry("opaque/.wh..wh..opq", "file"), b""),
    (_entry("null", "char", mode=0o666, major=1, minor=3), None),
    (_entry("pipe", "fifo", mode=0o600), None),
    (_entry("twice", "dir"), None),
    (_entry("twice/inner", "file", size=1), b"y"),
    (_entry("twice", "file", size=3), b"now"),
    (_entry("hidden/.wh.there", "file"), b""),
    (_entry("hidden/there", "dir", mode=0o700, uid=7), None),
)


@pytest.fixture
def blob(store: Store) -> Blob:
    """A layer in the cache, with its record."""
    with store.scratch("t") as folder:
        with LayerWriter(folder / "x") as writer:
            for entry, content in _ITEMS:
                writer.add(entry, content)
        store.adopt(folder / "x", writer.blob.digest)
    store.commit(LayerRecord("d" * 64, "files", "t", (writer.blob,), {}, 0.1))
    return writer.blob


@pytest.fixture
def tree(store: Store, blob: Blob) -> Path:
    """The layer as builds unpack it."""
    place = store.tree(blob.diff_id)
    place.mkdir()
    unpack(store.blob(blob.digest), place)
    return place


def faults(store: Store) -> list[str]:
    return [f.what for f in verify(store, 2).faults]


def test_a_good_tree(store: Store, tree: Path) -> None:
    verdict = verify(store, 2)
    assert verdict.faults == ()
    assert verdict.checked["trees"] == 1


def flip(path: Path) -> None:
    """Turn one bit over, leaving size, mode and times."""
    info = path.stat()
    with path.open("r+b") as file:
        file.seek(info.st_size // 2)
        byte = file.read(1)[0]
        file.seek(info.st_size // 2)
        file.write(bytes([byte ^ 8]))
    path.chmod(info.st_mode)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def another_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("usr/lib")


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def another_device(path: Path) -> None:
    path.unlink()
    os.mknod(path, 0o020666, os.makedev(1, 5))
    path.chmod(0o666)


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a flipped bit": ("usr/bin/tool", flip, "/usr/bin/tool has other bytes"),
    "a removed file": ("implied/by/a/file", Path.unlink, "/implied/by/a/file is missing"),
    "a removed folder": ("implied/by", shutil.rmtree, "/implied/by is missing"),
    "a removed whiteout": ("usr/gone", Path.unlink, "/usr/gone is missing"),
    "a changed mode": (
        "usr/empty",
        lambda p: p.chmod(0o644),
        "/usr/empty has the mode 0644, not 0600",
    ),
    "another owner": ("hidden/there", lambda p: os.chown(p, 8, 0), "belongs to 8:0, not 7:0"),
    "a shorter file": ("usr/bin/tool", lambda p: os.truncate(p, 3), "has 3 bytes, not 4"),
    "another target": ("bin", another_link, "/bin points elsewhere"),
    "another type": ("twice", folder_instead, "/twice is a folder, not a file"),
    "another device": ("null", another_device, "/null is another device"),
    "a new file": ("usr/new", Path.touch, "/usr/new is not in its layer"),
    "a folder that hides no more": (
        "opaque",
        lambda p: os.removexattr(p, "user.overlay.opaque"),
        "/opaque hides nothing below it",
    ),
    "a folder that hides": (
        "usr",
        lambda p: os.setxattr(p, "user.overlay.opaque", b"y"),
        "/usr hides what is below it",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_changed_is_named_and_goes(store: Store, tree: Path, what: str) -> None:
    path, change, said = DAMAGE[what]
    change(tree / path)
    (found,) = faults(store)
    assert said in found
    assert repair(store, verify(store, 2)) == 1
    assert not tree.exists()
    # the layer itself is good, and stays
    assert store.record("d" * 64) is not None
    assert faults(store) == []


def test_both_names_of_a_file_are_told_of_once(store: Store, tree: Path) -> None:
    flip(tree / "usr/big")
    (found,) = faults(store)
    assert found == "/usr/again has other bytes, and 1 differences more"


def test_a_tree_of_no_known_layer_is_nobody_s(store: Store, tree: Path) -> None:
    (store.root / "layers" / f"{'d' * 64}.json").unlink()
    flip(tree / "usr/bin/tool")
    verdict = verify(store, 2)
    assert verdict.faults == ()
    assert verdict.checked["trees"] == 0


def test_what_a_user_s_range_owns_is_compared_without_owners(store: Store, tree: Path) -> None:
    """Neither has it the devices that only root may make."""
    rootless = tree.rename(tree.with_name(f"{tree.name}-1000"))
    os.chown(rootless / "usr/empty", 100_000, 100_000)
    (rootless / "null").unlink()
    assert faults(store) == []
    flip(rootless / "usr/bin/tool")
    (found,) = faults(store)
    assert found == "/usr/bin/tool has other bytes"


def test_a_damaged_layer_is_one_fault_and_takes_its_tree_along(
    store: Store, tree: Path, blob: Blob
) -> None:
    path = store.blob(blob.digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    (found,) = verify(store, 2).faults
    assert found.part == "blobs"
    repair(store, verify(store, 2))
    assert not tree.exists()


def test_a_tree_that_is_no_folder(store: Store, blob: Blob) -> None:
    store.tree(blob.diff_id).touch()
    assert faults(store) == ["can't be read: Not a directory"]
    repair(store, verify(store, 1))
    assert faults(store) == []


def test_trees_of_records_that_share_a_layer(store: Store, tree: Path, blob: Blob) -> None:
    other = replace(blob, media_type="application/vnd.docker.image.rootfs.diff.tar.gzip")
    store.commit(LayerRecord("e" * 64, "root", "t", (other,), {}, 0.1))
    assert faults(store) == []
