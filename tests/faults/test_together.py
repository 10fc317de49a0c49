"""Builds at once on one cache: they don't clash, and no layer is built twice."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from small_family import Family, built_layers, check_clean, digests

from lapstrake.store.store import Store

pytestmark = pytest.mark.root


def begin(family: Family, cache: Path, out: Path) -> subprocess.Popen[str]:
    words, env = family.command(cache, out)
    return subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True)


def ended(child: subprocess.Popen[str]) -> str:
    _, said = child.communicate(timeout=200)
    assert child.returncode == 0, said
    return said


@pytest.mark.parametrize("outs", [("a", "b", "c"), ("same", "same", "same")])
def test_three_builds_on_one_cache(family: Family, tmp_path: Path, outs: tuple[str, ...]) -> None:
    cache = tmp_path / "cache"
    children = [begin(family, cache, tmp_path / out) for out in outs]
    said = "".join(map(ended, children))
    for out in outs:
        assert digests(tmp_path / out) == family.digests
        check_clean(cache, tmp_path / out)
    layers = Counter(built_layers(said))
    assert set(layers.values()) == {1}
    assert len(layers) == len(list((cache / "layers").iterdir()))
    # nor is a wheel fetched twice
    assert said.count('"event": "done", "key": "wheels of ') == 1


def test_an_interruption_ends_even_who_waits_for_another(family: Family, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    store = Store(cache)
    assert family.build(cache, tmp_path / "first").returncode == 0
    [record] = [p for p in (cache / "layers").iterdir() if '"kind": "run"' in p.read_text()]
    record.unlink()
    with store.locked(record.stem):
        child = begin(family, cache, tmp_path / "second")
        # it has begun to wait once it has the lock's file open
        end = time.monotonic() + 60
        while not _has_open(child.pid, store.root / "locks" / record.stem):
            assert time.monotonic() < end
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    assert child.returncode == 130
    assert not (tmp_path / "second").exists()


def _has_open(pid: int, path: Path) -> bool:
    return any(p.exists() and p.resolve() == path for p in Path(f"/proc/{pid}/fd").iterdir())
