"""Fixtures of the smoke tests' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_maker import Maker

from lapstrake.definition.load import load
from lapstrake.lock.make import read_lock
from lapstrake.lock.model import LOCK_NAME
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import ImagePlan


@pytest.fixture(scope="session")
def base_plan(top: Path) -> ImagePlan:
    """This family's base, as its own definition and lock have it."""
    repo = load(top)
    return make_plan(repo, read_lock(repo.root / LOCK_NAME), ["base"]).image("base")


@pytest.fixture
def maker(base_plan: ImagePlan, tmp_path: Path) -> Maker:
    """Makes images and tests them."""
    return Maker(base_plan, tmp_path)
