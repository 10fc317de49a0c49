"""Images that are built only where they are named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from lapstrake.definition.load import load
from lapstrake.errors import UserError
from lapstrake.lock.demand import demands
from lapstrake.lock.file import read_lock
from lapstrake.plan.make import make_plan

REPOSITORY = Path(__file__).parents[2]


def test_an_optional_image_is_planned_where_it_is_named() -> None:
    repo = load(REPOSITORY)
    lock = read_lock(REPOSITORY / "lapstrake.lock")
    assert "toolchain" not in {i.name for i in make_plan(repo, lock).images}
    assert [i.name for i in make_plan(repo, lock, ["toolchain"]).images] == ["toolchain"]


def test_an_optional_image_has_versions_of_its_own() -> None:
    repo = load(REPOSITORY)
    names = [d.name for d in demands(repo)]
    assert names[0] == "family"
    assert "toolchain" in names[1:]
    assert repo.resolution("toolchain") == "toolchain"


def test_what_extends_an_optional_image_is_optional(tmp_path: Path) -> None:
    for name, text in {
        "lapstrake.yaml": "name: x\n",
        "images/a/image.yaml": "root: {suite: bookworm}\noptional: true\n",
        "images/b/image.yaml": "extends: a\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match="'a' is optional; what extends it must be so too"):
        load(tmp_path)


def test_the_toolchain_has_what_lapstrake_needs() -> None:
    """Lapstrake's own code is mounted into it, without an installation."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = load(REPOSITORY).image("toolchain").spec.python.requirements
    assert sorted(asked) == sorted(re.sub(r"\s", "", d) for d in project["dependencies"])
