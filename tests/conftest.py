"""Fixtures that all tests share."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lapstrake import process
from lapstrake.store.store import Store

TOP = Path(__file__).parents[1]

Writer = Callable[..., Path]


@pytest.fixture(scope="session")
def top() -> Path:
    """This repository."""
    return TOP


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty cache."""
    return Store(tmp_path / "cache")


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """`write({"path": "text", …})` makes a repository folder of files and returns it."""

    def writer(files: dict[str, str], folder: str = "repo") -> Path:
        root = tmp_path / folder
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))
        return root

    return writer


@pytest.fixture(autouse=True)
def _clean_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer's shell may have set must not change what tests see."""
    for name in ("SOURCE_DATE_EPOCH", "LAPSTRAKE_CACHE", "LAPSTRAKE_SNAPSHOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _not_stopping() -> Iterator[None]:
    """A test that stops everything must not stop the next."""
    yield
    process.resume()
