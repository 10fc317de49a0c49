"""A real root, bootstrapped once for all tests and workers; and an ordinary user."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from as_user import User
from debian_root import Debian

from lapstrake import process
from lapstrake.engines.local.bootstrap import bootstrap
from lapstrake.fetch.debs import fetch_debs
from lapstrake.fetch.mirrors import find_archives
from lapstrake.layers.kinds import Bootstrap
from lapstrake.lock.apt import open_apt
from lapstrake.lock.model import Deb
from lapstrake.store.records import Blob
from lapstrake.store.store import Store

SUITE, COMPONENTS = "bookworm", ("main",)
EPOCH = 1_780_000_000
ROOT_PACKAGES = ("openssh-server", "python3")
MORE_PACKAGES = ("file",)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "debian"
    folder.mkdir(exist_ok=True)
    return folder


def _ignore(_name: str, _count: int) -> None:
    pass


@pytest.fixture(scope="session")
def debian(shared: Path) -> Debian:
    """A root with Python and OpenSSH, made by mmdebstrap; the same one for every worker."""
    with _only_one(shared):
        store = Store(shared / "cache")
        record = shared / "debian.json"
        if not record.exists():
            root, more = _lock()
            record.write_text(json.dumps([[d.model_dump() for d in part] for part in (root, more)]))
        root, more = (tuple(Deb(**d) for d in part) for part in json.loads(record.read_text()))
        debs = fetch_debs(root, SUITE, COMPONENTS, store, _ignore)
        more_files = fetch_debs(more, SUITE, COMPONENTS, store, _ignore)
        layer = Bootstrap("root", SUITE, COMPONENTS, root, False, EPOCH)
        built = shared / "blob.json"
        if not built.exists():
            (blob,) = bootstrap(layer, debs, store, lambda _: None)
            built.write_text(json.dumps(blob.__dict__))
        blob = Blob(**json.loads(built.read_text()))
    return Debian(store, layer, debs, blob, more, more_files)


def _lock() -> tuple[tuple[Deb, ...], tuple[Deb, ...]]:
    with open_apt(find_archives(SUITE, COMPONENTS), "linux/amd64") as apt:
        root = apt.root(ROOT_PACKAGES)
        return root, apt.over(apt.status(root), MORE_PACKAGES)


@pytest.fixture(scope="session")
def user(shared: Path) -> Iterator[User]:
    """An ordinary user with a range of ids and a folder of its own."""
    with _user(shared, "builder", ()) as found:
        yield found


@pytest.fixture
def rangeless_user(shared: Path) -> Iterator[User]:
    """An ordinary user without a range of ids."""
    with _user(shared, "plain", ("-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0")) as found:
        yield found


@contextmanager
def _user(shared: Path, name: str, options: tuple[str, ...]) -> Iterator[User]:
    name = f"lt-{name}-{os.getpid()}"
    with _only_one(shared):
        process.run(["useradd", "--no-create-home", *options, name])
    folder = Path(tempfile.mkdtemp(prefix="lapstrake-user-"))
    shutil.chown(folder, name, name)
    try:
        found = User(name, folder)
        if not found.can_read_us():
            pytest.skip("other users may not read this checkout, so none can build from it")
        yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with _only_one(shared):
            process.run(["userdel", name])
