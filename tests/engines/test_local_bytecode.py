"""Modules compiled by a root's own Python."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from debian_root import Debian

from lapstrake.engines.local.bytecode import Source, compile_wheels
from lapstrake.errors import UserError
from lapstrake.layers.kinds import Interpreter
from lapstrake.store.store import Store
from support.tiny import wheel

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.slow]

PYTHON = "3.11"
# Names and constants that several of the modules have in common, and sets, whose order is a matter
# of hashes: what marshal makes of them is where two compilations would differ.
MODULE = """\
import os, sys
NAMES = ("path", "alpha", "shared-{number}", "a constant", 1000000, 1.5)
def path(alpha, name="{number}"):
    if name in {{"one", "two", "three", "shared-{number}", os.sep}}:
        return [x for x in NAMES if x not in {{"path", "alpha", "four"}}]
    return lambda sys=sys: (alpha, name, "a constant", 1000000)
class Alpha(dict):
    "a constant"
    path = staticmethod(path)
"""


@pytest.fixture
def store(debian: Debian, tmp_path: Path) -> Store:
    """An own cache with the root's blob and packages."""
    found = Store(tmp_path / "cache")
    found.blob(debian.blob.digest).symlink_to(debian.store.blob(debian.blob.digest))
    for deb in debian.layer.debs:
        found.deb(deb.sha256).symlink_to(debian.store.deb(deb.sha256))
    return found


def sources(folder: Path, count: int) -> list[Source]:
    """Some wheels."""
    found = []
    for number in range(count):
        body = MODULE.format(number=number).encode() * (1 + number % 3)
        path = wheel(folder, f"part{number}", "1.0", body=body)
        key = hashlib.sha256(path.name.encode()).hexdigest()
        found.append(Source(f"part{number}", path, key))
    return found


def interpreter(debian: Debian) -> Interpreter:
    return Interpreter("cpython 3.11.2", f"/usr/bin/python{PYTHON}", (debian.layer,))


def results(store: Store, wanted: list[Source]) -> list[bytes]:
    return [store.bytecode(source.key).read_bytes() for source in wanted]


def test_the_same_bytes_alone_together_and_by_the_root_itself(
    debian: Debian, store: Store, tmp_path: Path
) -> None:
    wanted = sources(tmp_path / "wheels", 6)
    python = interpreter(debian)
    compile_wheels(wanted, python, PYTHON, (), store, 2)
    together = results(store, wanted)
    for source in wanted:
        store.bytecode(source.key).unlink()
    for source in reversed(wanted):
        compile_wheels([source], python, PYTHON, (), store, 1)
    assert results(store, wanted) == together
    for source in wanted:
        store.bytecode(source.key).unlink()
    # without its packages in the cache, it is the layers that have a Python
    for deb in debian.layer.debs:
        store.deb(deb.sha256).unlink()
    compile_wheels(wanted, python, PYTHON, (debian.blob,), store, 3)
    assert results(store, wanted) == together


def test_what_is_there_is_not_compiled_again(debian: Debian, store: Store, tmp_path: Path) -> None:
    wanted = sources(tmp_path / "wheels", 2)
    store.bytecode(wanted[0].key).write_bytes(b"as it was")
    compile_wheels(wanted, interpreter(debian), PYTHON, (), store, 2)
    assert store.bytecode(wanted[0].key).read_bytes() == b"as it was"
    with zipfile.ZipFile(store.bytecode(wanted[1].key)) as archive:
        assert len(archive.namelist()) == 1
    assert list((store.root / "tmp").iterdir()) == []


def test_a_source_that_breaks_the_compiler_is_left_out(
    debian: Debian, store: Store, tmp_path: Path
) -> None:
    """Nested deeper than the parser can follow, and no Python at all."""
    deep = wheel(tmp_path, "deep", "1.0", body=b"x = " + b"(" * 5000 + b")" * 5000)
    other = wheel(tmp_path, "other", "1.0", body=b"\xff\0 print 'two'")
    wanted = [Source("deep", deep, "0" * 64), Source("other", other, "1" * 64)]
    compile_wheels(wanted, interpreter(debian), PYTHON, (), store, 2)
    for source in wanted:
        with zipfile.ZipFile(store.bytecode(source.key)) as archive:
            assert archive.namelist() == []


def test_a_root_without_that_python_is_told(debian: Debian, store: Store, tmp_path: Path) -> None:
    wanted = sources(tmp_path / "wheels", 1)
    wrong = Interpreter("cpython 3.99.0", "/usr/bin/python3.99", (debian.layer,))
    with pytest.raises(UserError, match="can't compile") as caught:
        compile_wheels(wanted, wrong, PYTHON, (), store, 1)
    assert "python.bytecode: false" in caught.value.hint
    assert not store.bytecode(wanted[0].key).exists()
