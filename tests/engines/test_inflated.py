from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from deb_maker import deb

from lapstrake.engines.local.inflated import packages
from lapstrake.errors import UserError
from lapstrake.lock.model import Deb
from lapstrake.store.contents import read_contents
from lapstrake.store.gc import Limits, choose, remove
from lapstrake.store.records import LayerRecord
from lapstrake.store.store import Store
from lapstrake.store.verify import verify


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def lock(tmp_path: Path, store: Store) -> Callable[..., Deb]:
    """Makes a package, puts it into the cache, and returns what a lock says of it."""

    def locked(*options: str) -> Deb:
        made = deb(tmp_path, *options)
        sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
        store.deb(sha256).write_bytes(made.read_bytes())
        return Deb(
            name="planks",
            version="1.2-3",
            arch="all",
            path="pool/p/planks.deb",
            archive="bookworm",
            sha256=sha256,
            size=made.stat().st_size,
        )

    return locked


def inflated(locked: Deb, store: Store) -> Path:
    (found,) = packages([locked], {locked.filename: store.deb(locked.sha256)}, store)
    assert hashlib.sha256(found.path.read_bytes()).hexdigest() == found.sha256
    return found.path


def test_a_package_is_inflated_once(lock: Callable[..., Deb], store: Store) -> None:
    locked = lock("-Zxz")
    first = inflated(locked, store)
    assert first.stat().st_size > locked.size
    before = first.stat()
    # what was locked isn't even read again
    store.deb(locked.sha256).write_bytes(b"no package")
    again = inflated(locked, store)
    assert again == first
    assert (again.stat().st_ino, again.stat().st_mtime) == (before.st_ino, before.st_mtime)
    assert list((store.root / "tmp").iterdir()) == []


def test_one_that_needs_no_inflating_stays_as_it_is(lock: Callable[..., Deb], store: Store) -> None:
    locked = lock("-Zgzip", "--uniform-compression")
    assert inflated(locked, store) == store.deb(locked.sha256)
    assert list((store.root / "inflated").iterdir()) == []


def test_what_changed_in_the_cache_is_not_used(lock: Callable[..., Deb], store: Store) -> None:
    locked = lock("-Zxz")
    path = inflated(locked, store)
    assert verify(store, 1).faults == ()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="has changed since it came into the cache"):
        inflated(locked, store)
    (fault,) = verify(store, 1).faults
    assert (fault.part, fault.name) == ("inflated", locked.sha256)


def test_another_file_is_not_what_was_locked(lock: Callable[..., Deb], store: Store) -> None:
    locked = lock("-Zxz")
    store.deb(locked.sha256).write_bytes(b"another")
    with pytest.raises(UserError, match="has changed since it came into the cache"):
        inflated(locked, store)
    assert list((store.root / "inflated").iterdir()) == []


def test_it_was_used_when_a_layer_of_it_was(lock: Callable[..., Deb], store: Store) -> None:
    locked = lock("-Zxz")
    path = inflated(locked, store)
    later = time.time() + 1000
    store.commit(LayerRecord("e" * 64, "run", "t", (), {"debs": [locked.sha256]}, 0.1))
    (record,) = (store.root / "layers").iterdir()
    os.utime(record, (later, later))
    remove(store, choose(read_contents(store), Limits(since=later - 1)))
    assert path.is_file()
    remove(store, choose(read_contents(store), Limits(since=later + 1)))
    assert not path.parent.exists()
