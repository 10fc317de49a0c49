"""Workflows of this repository, run against servers on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from workflow_place import Place, Scene, serve_place, serve_scene


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Servers, a repository that is released to them, and what the action has installed."""
    with serve_scene(tmp_path_factory.mktemp("workflows")) as found:
        yield found


@pytest.fixture
def place(scene: Scene, tmp_path: Path) -> Iterator[Place]:
    """The repository on a GitHub of its own; the servers are empty."""
    with serve_place(tmp_path, scene) as found:
        yield found
