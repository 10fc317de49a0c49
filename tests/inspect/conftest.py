from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lapstrake.cli.main import cli

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def lapstrake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`lapstrake("diff", …)` in a repository with the cache of `store`: exit code and stdout."""
    monkeypatch.setenv("LAPSTRAKE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "lapstrake.yaml").write_text("name: fam\n")

    def run(*args: str) -> tuple[int, str]:
        words = ["-C", str(tmp_path), *args]
        done = CliRunner().invoke(cli, words, standalone_mode=False, catch_exceptions=False)
        return int(done.return_value or 0), done.stdout

    return run


@pytest.fixture
def answer(lapstrake: Command) -> Callable[..., Any]:
    """The same with --json, as a value."""
    return lambda *args: json.loads(lapstrake(*args, "--json")[1])
