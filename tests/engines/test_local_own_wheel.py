"""One of the repository's own projects: a source archive and a wheel, always the same bytes."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from debian_root import Debian

from lapstrake.engines.built import built_sdist, built_wheel, is_complete
from lapstrake.engines.local.source_wheel import build_wheel
from lapstrake.errors import UserError
from lapstrake.layers.kinds import BuiltWheel, Wheels
from lapstrake.lock.model import Wheel
from lapstrake.projects.archive import source_archive
from lapstrake.projects.find import read_project
from lapstrake.projects.stamp import stamp
from lapstrake.store.store import Store
from lapstrake.version import Version
from support.gitrepo import repository
from support.pyprojects import BACKENDS, HATCHLING, Files

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.slow]

_TOOLS = ("build", "pip", "hatchling", "setuptools", "setuptools-scm", "poetry-core", "flit-core")


@pytest.fixture(scope="module")
def tools(shared: Path) -> dict[str, Path]:
    """Wheels of some backends and of the front end, with what they need."""
    folder = shared / "own-tools"
    with (shared / "own-tools.lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not folder.exists():
            args = [sys.executable, "-m", "uv", "tool", "run", "pip", "download", "--quiet"]
            args += ["--only-binary=:all:", "--python-version", "3.11", "--dest", str(folder)]
            subprocess.run([*args, *_TOOLS], check=True)
    return {path.name.partition("-")[0].replace("_", "-"): path for path in folder.glob("*.whl")}


def locked(path: Path, name: str, version: str) -> Wheel:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(name=name, version=version, filename=path.name, sha256=digest, size=1)


def built(
    debian: Debian, store: Store, files: Files, tools: dict[str, Path], folder: Path
) -> tuple[BuiltWheel, Path]:
    """Build a project; what was asked for, and the wheel."""
    project = read_project(repository(folder / "repo", files))
    copy = stamp(project, Version.parse("1.2.0.rc1"), folder / "copy")
    archive = folder / f"{copy.stem}.tar.gz"
    archive.write_bytes(source_archive(copy))
    asked = tuple(locked(path, name, "1") for name, path in sorted(tools.items()))
    wheel = BuiltWheel(locked(archive, project.name, "1.2.0rc1"), asked, (debian.layer,), own=True)
    blob = store.blob(debian.blob.digest)
    if not blob.exists():
        blob.symlink_to(debian.store.blob(debian.blob.digest))
    return wheel, build_wheel(wheel, archive, tools, [debian.blob], store)


@pytest.mark.parametrize("name", ["hatchling", "setuptools-scm", "poetry-core", "flit"])
def test_each_backend_makes_the_same_bytes_twice(
    debian: Debian, tools: dict[str, Path], tmp_path: Path, name: str
) -> None:
    files, module = BACKENDS[name]
    found = []
    for place in ("one", "another place"):
        store = Store(tmp_path / place / "cache")
        asked, wheel = built(debian, store, files, tools, tmp_path / place)
        sdist = built_sdist(asked, store)
        assert sdist is not None
        assert (built_wheel(asked, store), wheel.parent) == (wheel, sdist.parent)
        assert is_complete(Wheels("x", "3.11", "2.36", (asked,)), store)
        found.append((asked.key, wheel.name, wheel.read_bytes(), sdist.name, sdist.read_bytes()))
    assert found[0] == found[1]
    stem = asked.name.replace("-", "_")
    assert wheel.name.startswith(f"{stem}-1.2.0rc1-py")
    assert sdist.name == f"{stem}-1.2.0rc1.tar.gz"
    with zipfile.ZipFile(wheel) as archive:
        assert any(n.startswith(module) for n in archive.namelist())
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with tarfile.open(sdist) as tar:
        assert {m.uname for m in tar} == {""}


def test_without_its_archive_a_wheel_is_not_complete(
    debian: Debian, tools: dict[str, Path], store: Store, tmp_path: Path
) -> None:
    asked, _ = built(debian, store, HATCHLING, tools, tmp_path)
    layer = Wheels("x", "3.11", "2.36", (asked,))
    sdist = built_sdist(asked, store)
    assert sdist is not None
    sdist.unlink()
    assert built_wheel(asked, store) is None
    assert not is_complete(layer, store)


def test_what_a_backend_made_of_another_version_is_refused(
    debian: Debian, tools: dict[str, Path], store: Store, tmp_path: Path
) -> None:
    """A version that the backend finds in code, where nothing can be stamped."""
    code = 'from setuptools import setup\nV = "0." + "9"\nsetup(name="one", **{"version": V})\n'
    files = {"setup.py": code, "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\n'}
    archive = tmp_path / "one-1.2.0rc1.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        repository(tmp_path / "repo", files)
        tar.add(tmp_path / "repo", "one-1.2.0rc1")
    asked = tuple(locked(path, name, "1") for name, path in sorted(tools.items()))
    wheel = BuiltWheel(locked(archive, "one", "1.2.0rc1"), asked, (debian.layer,), own=True)
    store.blob(debian.blob.digest).symlink_to(debian.store.blob(debian.blob.digest))
    with pytest.raises(UserError, match=r"has the version '0\.9', not 1\.2\.0rc1"):
        build_wheel(wheel, archive, tools, [debian.blob], store)
    assert built_wheel(wheel, store) is None
