"""Projects in a lock: what they require is locked, they themselves aren't."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapstrake.definition.load import load
from lapstrake.errors import UserError
from lapstrake.lock.check import stale
from lapstrake.lock.file import read_lock, write_lock
from lapstrake.lock.make import make_lock
from lapstrake.lock.model import Lock
from support.gitrepo import repository
from support.tiny import AptRepository, wheel

# A backend of each project's own: there is no network here.
_BACKEND = """\
def get_requires_for_build_wheel(config_settings=None):
    return ["asked"]
"""
_PROJECT = """\
[build-system]
requires = ["maker"]
build-backend = "backend"
backend-path = ["."]
[project]
name = "{name}"
version = "0.1.0"
dependencies = [{requires}]
[project.optional-dependencies]
fast = ["quick"]
"""
FILES = {
    "lapstrake.yaml": "name: fam\nversion: 1.2.0.dev1\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [python3]}\n",
    "images/slim/image.yaml": "extends: base\npython: {requirements: [serve]}\n",
    "runtimes/one/runtime.yaml": "python: {project: .}\n",
    "runtimes/one/pyproject.toml": _PROJECT.format(
        name="fam-one", requires='"aa<2", "fam-core[fast]==0.1.0"'
    ),
    "runtimes/one/backend.py": _BACKEND,
    "pyproject.toml": _PROJECT.format(name="Fam.Core", requires='"bb"'),
    "backend.py": _BACKEND,
    "runtimes/two/runtime.yaml": "python: {requirements: [bb]}\n",
    "runtimes/two/pyproject.toml": _PROJECT.format(name="fam-two", requires='"nowhere"'),
}


@pytest.fixture
def root(tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The family, with the only mirror and the only index that it has."""
    apt = AptRepository(tmp_path / "mirror")
    apt.essentials()
    apt.publish()
    monkeypatch.setenv("LAPSTRAKE_DEBIAN_MIRROR", apt.url)
    for name in ("serve", "bb", "quick", "maker", "asked", "build", "pip"):
        wheel(links, name, "1.0")
    for version in ("1.5", "2.0"):
        wheel(links, "aa", version)
    return repository(tmp_path / "repo", FILES)


def lock(root: Path, old: Lock | None = None, **options: object) -> Lock:
    return make_lock(load(root), old, progress=lambda _: None, **options)  # type: ignore[arg-type]


def edit(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new))


def test_what_projects_require_joins_the_resolution(root: Path) -> None:
    found = lock(root)
    family = found.resolutions["family"]
    versions = {w.name: w.version for w in family.wheels}
    assert versions == {"aa": "1.5", "bb": "1.0", "quick": "1.0", "serve": "1.0"}
    assert family.closures == {
        "base": (),
        "one": ("aa", "bb", "fam-core", "fam-one", "quick", "serve"),
        "slim": ("serve",),
        "two": ("bb", "serve"),
    }
    # what builds them: stated, asked for by the backend, and the front end
    tools = {name: [w.name for w in p.build] for name, p in found.projects.items()}
    names = ["asked", "build", "maker", "pip"]
    assert tools == {"fam-core": names, "fam-one": names}
    text = found.model_dump_json()
    assert "file:" not in text
    assert "1.2.0" not in text
    write_lock(root / "lapstrake.lock", found)
    assert read_lock(root / "lapstrake.lock") == found


def test_neither_sources_nor_a_version_make_it_stale(root: Path) -> None:
    found = lock(root)
    (root / "more.py").write_text("x = 1\n")
    edit(root, "lapstrake.yaml", "1.2.0.dev1", "1.2.0.rc1")
    edit(root, "pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"')
    edit(root, "runtimes/one/pyproject.toml", "==0.1.0", "==0.2.0")
    edit(root, "runtimes/two/pyproject.toml", "nowhere", "elsewhere")
    assert stale(load(root), found) == []
    assert lock(root, found) == found


def test_nothing_changed_needs_no_index(root: Path, links: Path) -> None:
    found = lock(root)
    for path in links.iterdir():
        path.unlink()
    assert lock(root, found) == found


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (
            "runtimes/one/pyproject.toml",
            '"aa<2"',
            '"aa"',
            [
                "the project in runtimes/one: requirement added aa",
                "the project in runtimes/one: requirement removed aa<2",
            ],
        ),
        (
            "pyproject.toml",
            '["maker"]',
            '["maker", "asked"]',
            ["the project in .: what builds it: added asked"],
        ),
        (
            "runtimes/two/runtime.yaml",
            "requirements: [bb]",
            "project: .",
            [
                "runtimes/two: project was not given, is fam-two",
                "runtimes/two: requirement removed bb",
                "the project in runtimes/two: it is new",
            ],
        ),
        (
            "runtimes/one/pyproject.toml",
            ', "fam-core[fast]==0.1.0"',
            "",
            [
                "the project in .: no image has it any more",
                "the project in runtimes/one: requirement removed fam-core[fast]",
            ],
        ),
    ],
)
def test_other_requirements_make_it_stale(
    root: Path, path: str, old: str, new: str, said: list[str]
) -> None:
    found = lock(root)
    edit(root, path, old, new)
    assert sorted(stale(load(root), found)) == said


def test_versions_stay_until_they_are_moved(root: Path, links: Path) -> None:
    found = lock(root)
    wheel(links, "maker", "1.1")
    wheel(links, "bb", "1.1")
    edit(root, "runtimes/one/pyproject.toml", '"aa<2"', '"aa>1"')
    kept = lock(root, found)
    versions = {w.name: w.version for w in kept.resolutions["family"].wheels}
    assert versions == {"aa": "1.5", "bb": "1.0", "quick": "1.0", "serve": "1.0"}
    assert kept.projects == found.projects
    moved = lock(root, kept, upgrade={"maker"})
    assert {w.version for p in moved.projects.values() for w in p.build if w.name == "maker"} == {
        "1.1"
    }
    assert moved.resolutions == kept.resolutions


def test_a_project_that_can_not_be_satisfied_names_its_line(root: Path) -> None:
    edit(root, "runtimes/one/pyproject.toml", '"aa<2"', '"aa>7"')
    with pytest.raises(UserError) as caught:
        lock(root)
    assert caught.value.message.startswith(
        "runtimes/one/runtime.yaml:1: fam-one can't be satisfied: "
    )
    assert "aa>7" in caught.value.message
    assert str(root.parent) not in caught.value.message


def test_tools_that_can_not_be_had_name_the_project(root: Path, links: Path) -> None:
    for path in links.glob("build-*"):
        path.unlink()
    with pytest.raises(UserError, match=r"what builds .* can't be had as wheels"):
        lock(root)
