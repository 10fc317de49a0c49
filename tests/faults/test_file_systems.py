"""Disks that are full, folders that refuse: one clear line, and nothing half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_family import Family, check_clean, digests

pytestmark = pytest.mark.root

_MB = 1 << 20


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[None]:
    """A file system of a few bytes at `place`."""
    place.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", place], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def complaint(said: subprocess.CompletedProcess[str]) -> str:
    """The error of a build that failed as it should."""
    lines = [x for x in said.stderr.splitlines() if not x.startswith("{")]
    assert said.returncode == 1, said.stderr
    assert "Traceback" not in said.stderr
    assert lines[0].startswith("error: ")
    assert lines[-1].startswith("hint: ")
    return "\n".join(lines)


@pytest.mark.parametrize("megabytes", [1, 4, 9, 13, 17])
def test_a_full_cache(family: Family, tmp_path: Path, megabytes: int) -> None:
    cache, out = tmp_path / "disk/cache", tmp_path / "dist"
    with small_disk(tmp_path / "disk", megabytes * _MB):
        said = complaint(family.build(cache, out))
        assert "no space left on device" in said.lower()
        assert not out.exists()
        remount(tmp_path / "disk", f"size={200 * _MB}")
        again = family.build(cache, out)
        assert again.returncode == 0, again.stderr
        assert digests(out) == family.digests
        check_clean(cache, out)


@pytest.mark.parametrize("megabytes", [1, 8])
def test_a_full_disk_for_dist(family: Family, tmp_path: Path, megabytes: int) -> None:
    cache, out = tmp_path / "cache", tmp_path / "disk/dist"
    with small_disk(tmp_path / "disk", megabytes * _MB):
        before = snapshot(tmp_path / "disk")
        if megabytes > 1:
            assert family.build(cache, out, "base").returncode == 0
            before = snapshot(out)
        said = complaint(family.build(cache, out))
        assert "no space left on device" in said
        assert "--out" in said
        if megabytes > 1:
            assert snapshot(out) == before
        else:
            assert not out.exists()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_dist_on_a_disk_that_is_read_only(family: Family, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 60 * _MB):
        remount(tmp_path / "disk", "ro")
        said = complaint(family.build(tmp_path / "cache", tmp_path / "disk/dist"))
        assert "read-only file system" in said
        remount(tmp_path / "disk", "rw")
        assert family.build(tmp_path / "cache", tmp_path / "disk/dist").returncode == 0
        before = snapshot(tmp_path / "disk")
        remount(tmp_path / "disk", "ro")
        said = complaint(family.build(tmp_path / "cache", tmp_path / "disk/dist", "base"))
        assert "read-only file system" in said
        assert snapshot(tmp_path / "disk") == before


def test_a_cache_on_a_disk_that_is_read_only(family: Family, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 60 * _MB):
        remount(tmp_path / "disk", "ro")
        said = family.build(tmp_path / "cache", tmp_path / "dist", env=at(tmp_path / "disk/cache"))
        assert "read-only file system" in complaint(said)


def at(cache: Path) -> dict[str, str]:
    return {"LAPSTRAKE_CACHE": str(cache)}


@pytest.fixture
def public(family: Family) -> Iterator[Path]:
    """A folder that everybody may read, with the repository."""
    folder = Path(tempfile.mkdtemp(prefix="lt-public-"))
    folder.chmod(0o755)
    shutil.copytree(family.root, folder / "repo")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("filled", [False, True])
def test_a_cache_of_somebody_else(family: Family, public: Path, filled: bool) -> None:
    cache = public / "cache"
    cache.mkdir()
    if filled:
        assert family.build(cache, public / "first").returncode == 0
    before = sorted(cache.rglob("*"))
    words = [sys.executable, "-m", "lapstrake", "-C", str(public / "repo"), "build"]
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    said = subprocess.run(
        [*user, *words, "--out", str(public / "mine"), "--progress", "json"],
        env=family.env | at(cache) | {"HOME": "/nonexistent", "TMPDIR": tempfile.gettempdir()},
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named" in said.stderr or os.access(sys.executable, os.X_OK) is False:
        pytest.skip("other users may not read this checkout")
    text = complaint(said)
    assert "permission denied" in text
    assert str(cache) in text
    assert "LAPSTRAKE_CACHE" in text
    assert sorted(cache.rglob("*")) == before
