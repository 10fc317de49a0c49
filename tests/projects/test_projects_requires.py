"""What a lock knows of a project: its requirements, and neither its version nor its sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapstrake.projects.find import read_project
from lapstrake.projects.requires import Stated, stated
from support.gitrepo import write_files
from support.pyprojects import BACKENDS, Files

FAMILY = frozenset({"fam-core", "fam-more"})

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "one"
version = "0.1.0"
requires-python = ">=3.9"
dependencies = ["numpy>=2", "Fam.Core[fast]==0.1.0; python_version > '3'"]
[project.optional-dependencies]
more = ["fam-more", "six"]
"""

POETRY = """\
[build-system]
requires = ["poetry-core>=1.9"]
build-backend = "poetry.core.masonry.api"
[tool.poetry]
name = "one"
version = "0.1.0"
[tool.poetry.dependencies]
python = "^3.9"
numpy = "^2"
fam-core = {version = "^0.1", extras = ["fast"]}
[tool.poetry.group.dev.dependencies]
pytest = "*"
"""


def read(folder: Path, files: Files) -> Stated:
    write_files(folder, files)
    return stated(read_project(folder), FAMILY)


def test_requirements_builders_and_siblings(tmp_path: Path) -> None:
    found = read(tmp_path, {"pyproject.toml": PROJECT})
    assert found == Stated(
        requirements=(
            'fam-core[fast]; python_version > "3"',
            "more: fam-more",
            "more: six",
            "numpy>=2",
        ),
        build=("build-backend hatchling.build", "hatchling"),
        python=">=3.9",
        dynamic="",
        siblings=frozenset({"fam-core", "fam-more"}),
    )


def test_poetry_says_it_in_its_own_way(tmp_path: Path) -> None:
    found = read(tmp_path, {"pyproject.toml": POETRY})
    assert found.requirements == ('fam-core {"extras": ["fast"]}', "numpy ^2")
    assert (found.python, found.siblings) == ("^3.9", {"fam-core"})


@pytest.mark.parametrize("text", [PROJECT, POETRY])
def test_a_version_is_no_part_of_it(tmp_path: Path, text: str) -> None:
    before = read(tmp_path / "a", {"pyproject.toml": text})
    moved = text.replace('version = "0.1.0"', 'version = "2.0.0"').replace("==0.1.0", "==2.0.0")
    moved = moved.replace('version = "^0.1"', 'path = "../core"')
    assert moved != text
    assert read(tmp_path / "b", {"pyproject.toml": moved}) == before
    other = text.replace("numpy", "scipy").replace("hatchling", "flit")
    assert read(tmp_path / "c", {"pyproject.toml": other}) != before


# a function in setup.py finds that one's version: any line of it may find requirements, too
@pytest.mark.parametrize("name", sorted(BACKENDS.keys() - {"setup.py"}))
def test_of_every_backend_the_version_and_the_sources_are_left_out(
    tmp_path: Path, name: str
) -> None:
    files, _ = BACKENDS[name]
    before = read(tmp_path / "a", files)
    moved = {
        k: v.replace("0.1.0", "0.2.0") if not k.endswith("requirements.txt") else v
        for k, v in files.items()
    }
    assert read(tmp_path / "b", {**moved, "more/source.py": "x = 1\n"}) == before


SETUP_PY = (
    'from setuptools import setup\nsetup(name="one", version="{}", install_requires=["{}"])\n'
)


def test_what_a_backend_finds_is_known_by_its_files(tmp_path: Path) -> None:
    before = read(tmp_path / "a", {"setup.py": SETUP_PY.format("1.0", "numpy")})
    assert before.dynamic
    assert read(tmp_path / "b", {"setup.py": SETUP_PY.format("2.0", "numpy")}) == before
    after = read(tmp_path / "c", {"setup.py": SETUP_PY.format("1.0", "scipy")})
    assert after.dynamic != before.dynamic


def test_a_file_of_dynamic_requirements_counts(tmp_path: Path) -> None:
    text = (
        '[project]\nname = "one"\nversion = "1"\ndynamic = ["dependencies"]\n'
        '[tool.setuptools.dynamic]\ndependencies = {file = ["needs.in"]}\n'
    )
    before = read(tmp_path / "a", {"pyproject.toml": text, "needs.in": "numpy\n"})
    after = read(tmp_path / "b", {"pyproject.toml": text, "needs.in": "scipy\n"})
    assert before.dynamic != after.dynamic
