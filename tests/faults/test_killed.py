"""^C and kill -9 at many moments of a build: nothing is left, and the next build is the same."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from small_family import Family, check_clean, digests, processes_with, wait_for

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


def test_ended_again_and_again_in_one_cache(family: Family, tmp_path: Path) -> None:
    """What several killed builds leave in one cache is no trouble, and goes."""
    lasts = seconds_of(family, tmp_path / "first")
    for moment in range(4):
        ended_after(family, tmp_path, lasts * (moment + 1) / 5, signal.SIGKILL)
    said = family.build(tmp_path / "cache", tmp_path / "dist")
    assert said.returncode == 0, said.stderr
    assert digests(tmp_path / "dist") == family.digests
    check_clean(tmp_path / "cache", tmp_path / "dist")
