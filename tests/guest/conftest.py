"""Fixtures of the tests of lapstrake-fetch."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fetch_place import Place

from lapstrake.guest import fetch


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A volume; rests are short, and the program's signal handlers don't stay in this process."""
    monkeypatch.setattr(fetch, "FIRST_REST", 0.01)
    monkeypatch.setattr(fetch, "LONGEST_REST", 0.05)
    monkeypatch.setenv("NETRC", os.devnull)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield Place(tmp_path)
    for number, handler in before.items():
        signal.signal(number, handler)
