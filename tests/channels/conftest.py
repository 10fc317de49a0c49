"""A family whose versions lie in a registry on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.channels import Shelf, shelf_in
from support.registry import serve_registry


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """`full`, `slim` and `srv`, released to an empty registry."""
    with serve_registry(tmp_path / "registry") as host:
        yield shelf_in(tmp_path, host)
