"""A real bootstrap that is ended halfway, as root: no mount, process or file is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_family import check_clean, digests

from support.processes import processes_with, wait_for

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.slow]

_FILES = {
    "lapstrake.yaml": "name: real\n",
    "images/base/image.yaml": "root: {suite: bookworm}\napt: [file]\nrun: ['file /bin > /made']\n",
}


def command(root: Path, cache: Path, out: Path) -> tuple[list[str], dict[str, str]]:
    words = [sys.executable, "-m", "lapstrake", "-C", str(root), "build", "--out", str(out)]
    temporary = cache.parent / f"{cache.name}-tmp"
    temporary.mkdir(exist_ok=True)
    env = {**os.environ, "LAPSTRAKE_CACHE": str(cache), "TMPDIR": str(temporary)}
    return [*words, "--progress", "plain"], env


def build(root: Path, cache: Path, out: Path) -> None:
    words, env = command(root, cache, out)
    said = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


def end_halfway(
    words: list[str],
    env: dict[str, str],
    cache: Path,
    lasts: float,
    share: float,
    number: signal.Signals,
) -> float:
    """Begin a build from packages alone and end it; how long such a build lasts at most.

    One that is over before its moment (other tests are, too) tells that they last shorter now.
    """
    for _ in range(5):
        for part in ("layers", "blobs/sha256", "trees"):
            shutil.rmtree(cache / part)
        began = time.monotonic()
        child = subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL)
        try:
            assert child.wait(lasts * share) == 0
        except subprocess.TimeoutExpired:
            child.send_signal(number)
            assert child.wait(60) in {130, -number}
            return lasts
        lasts = time.monotonic() - began
    pytest.fail("each build ended before its moment")


def test_a_bootstrap_ended_at_some_moments(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    words, env = command(root, tmp_path / "first", tmp_path / "dist-first")
    lock = [*words[: words.index("build")], "lock"]
    locked = subprocess.run(lock, env=env, capture_output=True, text=True, check=False)
    assert locked.returncode == 0, locked.stderr
    build(root, tmp_path / "first", tmp_path / "dist-first")
    # once more, from the packages alone: it is the same, and tells how long it lasts
    began = time.monotonic()
    cache = tmp_path / "cache"
    shutil.copytree(tmp_path / "first/debs", cache / "debs", copy_function=os.link)
    build(root, cache, tmp_path / "dist")
    lasts = time.monotonic() - began
    assert digests(tmp_path / "dist") == digests(tmp_path / "dist-first")
    words, env = command(root, cache, tmp_path / "dist")
    for number, share in ((signal.SIGKILL, 0.3), (signal.SIGINT, 0.5), (signal.SIGKILL, 0.7)):
        lasts = end_halfway(words, env, cache, lasts, share, number)
        assert wait_for(str(cache)) == []
        assert str(cache) not in Path("/proc/mounts").read_text()
    build(root, cache, tmp_path / "dist")
    assert digests(tmp_path / "dist") == digests(tmp_path / "dist-first")
    check_clean(cache, tmp_path / "dist")
    assert processes_with(str(cache)) == []
