from __future__ import annotations

import fcntl
import hashlib
import io
import socket
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from debian_root import Debian

from lapstrake import process
from lapstrake.engines.local.source_wheel import build_wheel
from lapstrake.errors import UserError
from lapstrake.layers.kinds import BuiltWheel
from lapstrake.lock.model import Wheel
from lapstrake.store.store import Store

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.slow]

_PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "tiny"
version = "1.0"
"""

# Looks at what a build could let in: the network, the time, the machine.
_SETUP = """\
import os, socket, setuptools
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=5)
    raise SystemExit("there is a network")
except OSError:
    pass
open("tiny.py", "w").write(f"where = {{os.getcwd()!r}}, {{socket.gethostname()!r}}")
setuptools.setup(py_modules=["tiny"])
"""


@pytest.fixture(scope="module")
def tools(shared: Path) -> dict[str, Path]:
    """Wheels of pip and setuptools."""
    folder = shared / "tools"
    with (shared / "tools.lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not folder.exists():
            args = [sys.executable, "-m", "uv", "tool", "run", "pip", "download", "--no-deps"]
            process.run(
                [
                    *args,
                    "--only-binary=:all:",
                    "--dest",
                    folder,
                    "pip",
                    "setuptools",
                    "wheel",
                    "packaging",
                ]
            )
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


def _sdist(folder: Path, setup: str) -> Path:
    path = folder / "tiny-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        files = {"pyproject.toml": _PYPROJECT, "setup.py": setup, "PKG-INFO": "Name: tiny\n"}
        for name, text in files.items():
            info = tarfile.TarInfo(f"tiny-1.0/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def _locked(path: Path) -> Wheel:
    name, version = path.name.removesuffix(".tar.gz").split("-")[:2]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(name=name, version=version, filename=path.name, sha256=digest, size=1)


def _build(debian: Debian, store: Store, source: Path, tools: dict[str, Path]) -> Path:
    built = BuiltWheel(_locked(source), tuple(map(_locked, tools.values())), (debian.layer,))
    blob = store.blob(debian.blob.digest)
    if not blob.exists():
        blob.symlink_to(debian.store.blob(debian.blob.digest))
    return build_wheel(built, source, tools, [debian.blob], store)


def test_a_source_archive_becomes_the_same_wheel_anywhere(
    debian: Debian, store: Store, tools: dict[str, Path], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = _sdist(tmp_path, _SETUP.format(port=server.getsockname()[1]))
        wheel = _build(debian, store, source, tools)
        again = _build(debian, Store(tmp_path / "other"), source, tools)
    assert wheel.name == "tiny-1.0-py3-none-any.whl"
    assert wheel.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(wheel) as zipped:
        assert b"'build'" in zipped.read("tiny.py")
    before = wheel.stat().st_mtime_ns
    assert _build(debian, store, source, {"pip": tools["pip"]} | tools) == wheel
    assert wheel.stat().st_mtime_ns == before
    assert list((store.root / "tmp").iterdir()) == []


def test_a_failed_build_says_what_it_said(
    debian: Debian, store: Store, tools: dict[str, Path], tmp_path: Path
) -> None:
    source = _sdist(tmp_path, "raise SystemExit('no compiler here')")
    with pytest.raises(UserError, match=r"tiny-1\.0\.tar\.gz can't be built") as raised:
        _build(debian, store, source, tools)
    assert any("no compiler here" in line for line in raised.value.details)
    assert list((store.root / "wheels").rglob("*.whl")) == []


def test_a_lock_without_tools_is_told_apart(debian: Debian, store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the lock has no tools for it"):
        _build(debian, store, _sdist(tmp_path, ""), {})


def test_links_out_of_the_root_are_no_wheels(
    debian: Debian, store: Store, tools: dict[str, Path], tmp_path: Path
) -> None:
    secret = tmp_path / "secret-1-py3-none-any.whl"
    secret.write_bytes(b"of this machine")
    setup = f"""
import os
os.makedirs("/tmp/wheel", exist_ok=True)
if not os.path.lexists("/tmp/wheel/secret-1-py3-none-any.whl"):
    os.symlink({str(secret)!r}, "/tmp/wheel/secret-1-py3-none-any.whl")
{_SETUP.format(port=9)}
"""
    wheel = _build(debian, store, _sdist(tmp_path, setup), tools)
    assert wheel.name == "tiny-1.0-py3-none-any.whl"
