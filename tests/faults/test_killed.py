"""^C and kill -9 at many moments of a build: nothing is left, and the next build is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from small_family import Family, check_clean, digests, simple_index

from lapstrake.store.scratch import claimed_file
from lapstrake.store.store import Store
from lapstrake.store.sweep import sweep
from support.processes import processes_with, wait_for
from support.tiny import Request, serve

pytestmark = [pytest.mark.root, pytest.mark.slow]

# Each way of ending a build is tried at this many moments spread over it, in four batches.
_MOMENTS = 20
_BATCHES = 4


def seconds_of(family: Family, folder: Path) -> float:
    """How long a build from nothing lasts here and now."""
    began = time.monotonic()
    said = family.build(folder / "cache", folder / "dist")
    assert said.returncode == 0, said.stderr
    return time.monotonic() - began


def ended_after(family: Family, folder: Path, seconds: float, number: int) -> int:
    """Begin a build, signal it after some time, and return its exit code."""
    words, env = family.command(folder / "cache", folder / "dist")
    child = subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(number)
    return child.wait(60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("batch", range(_BATCHES))
def test_a_build_ended_at_any_moment(
    family: Family, tmp_path: Path, number: signal.Signals, batch: int
) -> None:
    lasts = seconds_of(family, tmp_path)
    mounts = Path("/proc/mounts").read_text()
    for moment in range(batch, _MOMENTS, _BATCHES):
        folder = tmp_path / str(moment)
        folder.mkdir()
        code = ended_after(family, folder, lasts * (moment + 0.5) / _MOMENTS, number)
        allowed = {0, 130, -signal.SIGINT} if number == signal.SIGINT else {0, -signal.SIGKILL}
        assert code in allowed
        if number == signal.SIGKILL:
            assert wait_for(str(folder)) == []
        assert processes_with(str(folder)) == []
        # whatever is in dist/ is whole
        if (folder / "dist/build.json").exists():
            assert digests(folder / "dist") == family.digests
        said = family.build(folder / "cache", folder / "dist")
        assert said.returncode == 0, said.stderr
        assert digests(folder / "dist") == family.digests
        check_clean(folder / "cache", folder / "dist")
    assert str(tmp_path) not in Path("/proc/mounts").read_text(), mounts


def killed_at(family: Family, folder: Path, what: str, env: dict[str, str]) -> None:
    """Begin a build and kill it once something lies there that matches `what`."""
    args, own = family.command(folder / "cache", folder / "dist")
    with subprocess.Popen(args, env=own | env, stderr=subprocess.DEVNULL) as child:
        end = time.monotonic() + 60
        while not list((folder / "cache").glob(what)) and time.monotonic() < end:
            time.sleep(0.01)
        child.kill()
    assert wait_for(str(folder)) == []
    assert list((folder / "cache").glob(what)), "something was left"


def test_what_a_killed_run_leaves_is_swept(family: Family, tmp_path: Path) -> None:
    killed_at(family, tmp_path, "tmp/run-*/root", {})
    said = family.build(tmp_path / "cache", tmp_path / "dist")
    assert said.returncode == 0, said.stderr
    assert digests(tmp_path / "dist") == family.digests
    check_clean(tmp_path / "cache", tmp_path / "dist")
    verify = [sys.executable, "-m", "lapstrake", "cache", "verify"]
    env = family.env | {"LAPSTRAKE_CACHE": str(tmp_path / "cache")}
    verdict = subprocess.run(verify, env=env, capture_output=True, text=True, check=False)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_what_a_killed_download_leaves_is_swept(family: Family, tmp_path: Path) -> None:
    honest, waiting = simple_index(family.wheels), threading.Event()

    def stalling(request: Request) -> None:
        if request.path.endswith(".whl"):
            waiting.wait(30)
        honest(request)

    with serve(stalling) as server:
        env = {"PIP_INDEX_URL": f"{server.url}/simple/"}
        killed_at(family, tmp_path, "wheels/*/.*", env)
        waiting.set()
    said = family.build(tmp_path / "cache", tmp_path / "dist")
    assert said.returncode == 0, said.stderr
    assert digests(tmp_path / "dist") == family.digests
    check_clean(tmp_path / "cache", tmp_path / "dist")


def test_two_builds_sweep_nothing_of_each_other(family: Family, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    with store.scratch("mine") as folder:
        (folder / "file").touch()
        handle, staged = claimed_file(store.root / "layers", ".mine.")
        assert sweep(store) == 0
        said = family.build(tmp_path / "cache", tmp_path / "dist")
        assert said.returncode == 0, said.stderr
        assert (folder / "file").exists()
        assert staged.exists()
        os.close(handle)
    assert sweep(store) == 1
    check_clean(tmp_path / "cache", tmp_path / "dist")
