"""The page of the catalog, from facts and from a build."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lapstrake.definition.load import load
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def catalog() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_catalog", TOP / "setup/catalog.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where pydantic looks names up
    spec.loader.exec_module(module)
    return module


def fact(catalog: ModuleType, name: str, *blobs: tuple[str, int], **changes: object) -> object:
    about = {
        "name": name,
        "description": f"The image {name}",
        "digest": "sha256:0",
        "tag": f"{name}1-debian12",
        "size": sum(size for _, size in blobs),
        "layers": [{"digest": digest, "size": size} for digest, size in blobs],
        "asked": ["numpy 2"],
        "wheels": 3,
        "debs": 4,
        "way": "family",
        **changes,
    }
    return catalog.Fact.model_validate(about)


def test_what_images_share_counts_once(catalog: ModuleType) -> None:
    one = fact(catalog, "one", ("a", 3_000_000), ("b", 1_000_000), passed=["ports"])
    two = fact(catalog, "two-1.5", ("a", 3_000_000), ("c", 1_000_000), way="apart")
    page = catalog.page([two, one])
    assert "All 2 have 3 distinct layers of 5.0 MB: 0.62 of the sum of their sizes (8.0 MB)" in page
    assert "| [`one`](#one) | The image one | 4.0 MB | 2 | 3, 4 | 1 passed |" in page
    assert "[`two-1.5`](#two-15)" in page
    assert "not tested" in page
    assert page.index("## one") < page.index("## two-1.5")


def test_a_failure_is_named_and_a_skip_has_its_reason(catalog: ModuleType) -> None:
    seen = {"passed": ["a", "b"], "failed": ["size"], "skipped": {"cuda-gpu": "there is no GPU"}}
    seen["noted"] = {"a": "3 files aside: so it is"}
    page = catalog.page([fact(catalog, "one", ("a", 1), **seen)])
    assert "2 passed, 1 skipped, **failed: size**" in page
    assert "  - skipped: `cuda-gpu`, there is no GPU" in page
    assert "  - `a` passed, 3 files aside: so it is" in page


def test_packages_are_counted_from_the_lock(catalog: ModuleType) -> None:
    repo, lock = load(TOP), read_lock(TOP / LOCK_NAME)
    base, full = (len(catalog._debs(repo, lock, n)) for n in ("base", "full"))
    assert base == len(lock.roots["base"])
    assert full > base
    assert catalog._way(repo, "triton") == "apart"
    assert catalog._way(repo, "tensorflow") == "optional"
    assert catalog._way(repo, "full") == "family"
