"""Fixtures of the smoke tests' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from image_maker import Maker

from lapstrake.definition.load import load
from lapstrake.dist import read_build
from lapstrake.lock.make import read_lock
from lapstrake.lock.model import LOCK_NAME
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import ImagePlan, Plan
from lapstrake.smoke.engine import Engine


@pytest.fixture(scope="session")
def own_plan(top: Path) -> Plan:
    """This family's plan, as its own definition and lock have it."""
    repo = load(top)
    return make_plan(repo, read_lock(repo.root / LOCK_NAME))


@pytest.fixture(scope="session")
def base_plan(own_plan: Plan) -> ImagePlan:
    """This family's base."""
    return own_plan.image("base")


@pytest.fixture(scope="session")
def base_in_engine(
    base_plan: ImagePlan, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The engine has base's layers as long as the tests run: those of each test lie over them."""
    maker = Maker(base_plan, tmp_path_factory.mktemp("base"))
    dist = maker.dist(base_plan)
    built = read_build(dist)
    with Engine() as engine:
        with engine.source(dist, built) as source:
            source.load(built.images[0])
        yield
        engine.close(images=True)


@pytest.fixture
def maker(base_plan: ImagePlan, base_in_engine: None, tmp_path: Path) -> Maker:
    """Makes images and tests them."""
    return Maker(base_plan, tmp_path)
