"""Servers on loopback that releases go to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.targets import Targets, serve_targets


@pytest.fixture
def targets(tmp_path: Path) -> Iterator[Targets]:
    """Two registries and an index."""
    with serve_targets(tmp_path / "servers") as found:
        yield found
