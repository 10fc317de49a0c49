"""Which projects a repository has; a version stamped into copies of them."""

from __future__ import annotations

import io
import tarfile
import tomllib
from pathlib import Path

import pytest

from lapstrake.errors import DefinitionError, UserError
from lapstrake.projects.archive import source_archive
from lapstrake.projects.files import project_files
from lapstrake.projects.find import find_projects, read_project
from lapstrake.projects.model import Staged
from lapstrake.projects.stamp import stamp
from lapstrake.version import Version
from support.gitrepo import git, repository, write_files
from support.pyprojects import (
    BACKENDS,
    FLIT_OLD,
    HATCH_VCS,
    HATCHLING,
    POETRY,
    SETUP_CFG,
    SETUP_PY,
    SETUPTOOLS_SCM,
    Files,
)

VERSION = Version.parse("1.2.0")


def stamped(root: Path, into: Path) -> Staged:
    return stamp(read_project(root), VERSION, into)


def below(folder: str, files: Files) -> Files:
    return {f"{folder}/{name}": text for name, text in files.items()}


def renamed(name: str, files: Files = HATCHLING) -> Files:
    return {f: t.replace("Thing.Hatch", name) for f, t in files.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_project_is_found_with_its_name(backend: str, tmp_path: Path) -> None:
    write_files(tmp_path, BACKENDS[backend][0])
    project = read_project(tmp_path)
    assert project.name.startswith("thing-")
    assert project.stem.startswith("thing_")
    assert project.stated in ("0.1.0", "0.0.0", None)


def test_a_runtime_without_code_of_its_own_has_no_project(tmp_path: Path) -> None:
    root = repository(
        tmp_path / "r",
        HATCHLING
        | below("runtimes/b", renamed("zz"))
        | below("runtimes/a", renamed("yy"))
        | {"runtimes/c/runtime.yaml": "", "runtimes/d/pyproject.toml": "[tool.ruff]\n"},
    )
    projects = find_projects(root)
    assert projects.core is not None
    assert [p.name for p in projects.all] == ["thing-hatch", "yy", "zz"]
    assert find_projects(root / "runtimes", runtimes=".").core is None


def problems(root: Path) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        find_projects(root)
    assert all("\n" not in str(p) for p in caught.value.problems)
    return [str(p) for p in caught.value.problems]


def test_all_that_is_wrong_with_projects_is_said_at_once(tmp_path: Path) -> None:
    nameless = {"pyproject.toml": '[project]\nversion = "1"\n'}
    unversioned = {"pyproject.toml": '[project]\nname = "u"\n'}
    root = repository(
        tmp_path / "r",
        HATCHLING
        | below("runtimes/broken", {"pyproject.toml": "[project\n"})
        | below("runtimes/nameless", nameless)
        | below("runtimes/odd", renamed("no good"))
        | below("runtimes/same", renamed("thing_HATCH"))
        | below("runtimes/unversioned", unversioned)
        | below(
            "runtimes/unversioned2", {"setup.py": "from setuptools import setup\nsetup(name='v')"}
        ),
    )
    found = problems(root)
    for expected in (
        "runtimes/broken/pyproject.toml:1: ",
        "runtimes/nameless/pyproject.toml:1: the project has no name",
        "runtimes/odd/pyproject.toml:1: 'no good' is no name of a project",
        "runtimes/same/pyproject.toml:1: thing_HATCH and Thing.Hatch in . are both thing-hatch",
        "runtimes/unversioned/pyproject.toml:1: u has no version",
        "runtimes/unversioned2/setup.py:1: v has no version",
    ):
        assert any(expected in text for text in found), (expected, found)
    assert len(found) == 6


@pytest.mark.parametrize("name", ["thinghatch", "th1ng-hatch", "thlng_hatch"])
def test_names_that_look_alike_are_refused_as_the_index_would(name: str, tmp_path: Path) -> None:
    root = repository(tmp_path / "r", HATCHLING | below("runtimes/x", renamed(name)))
    assert "too similar to Thing.Hatch" in problems(root)[0]


def test_only_the_version_changes(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", HATCHLING)
    copy = stamped(root, tmp_path / "s")
    before, after = (p / "pyproject.toml" for p in (root, copy.folder))
    assert after.read_text() == before.read_text().replace('"0.1.0"', '"1.2.0"')
    assert (copy.folder / "thing_hatch/data.json").read_text() == '{"a": "0.1.0"}\n'
    assert copy.stamped == ("pyproject.toml", "thing_hatch/__init__.py")
    assert copy.stem == "thing_hatch-1.2.0"


@pytest.mark.parametrize(
    ("files", "name", "expected"),
    [
        (POETRY, "thing_poetry/__init__.py", '__version__ = "1.2.0"'),
        (POETRY, "pyproject.toml", 'version = "1.2.0"'),
        (FLIT_OLD, "thing_flat/__init__.py", '__version__ = "1.2.0"'),
        (SETUP_PY, "setup.py", "version='1.2.0'"),
        (SETUP_CFG, "setup.cfg", "version = 1.2.0\n\n[options]"),
        (SETUPTOOLS_SCM, "PKG-INFO", "Version: 1.2.0\n"),
        (SETUPTOOLS_SCM, "pyproject.toml", 'dynamic = ["version"]'),
        (HATCH_VCS, "pyproject.toml", 'version = "1.2.0"'),
    ],
)
def test_where_the_version_is_stamped(
    files: Files, name: str, expected: str, tmp_path: Path
) -> None:
    root = repository(tmp_path / "r", files)
    assert expected in (stamped(root, tmp_path / "s").folder / name).read_text()


def test_lines_ends_quotes_and_encodings_are_kept(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", HATCHLING)
    module = root / "thing_hatch" / "__init__.py"
    before = b"# -*- coding: latin-1 -*-\r\nname = '\xe9'; __version__: str = '0.1.0'  # \xe9\r\n"
    module.write_bytes(before)
    plain = root / "thing_hatch" / "version.py"
    plain.write_bytes(b"x = 'a'; __version__ = '0.1.0'\r\nold = '0.1.0'\r\n")
    copy = stamped(root, tmp_path / "s").folder
    # what can't be placed surely stays as it is, rather than being garbled
    assert (copy / "thing_hatch/__init__.py").read_bytes() in (
        before,
        before.replace(b"'0.1.0'", b"'1.2.0'"),
    )
    expected = b"x = 'a'; __version__ = '1.2.0'\r\nold = '0.1.0'\r\n"
    assert (copy / "thing_hatch/version.py").read_bytes() == expected


def test_the_versions_of_other_packages_are_left_alone(tmp_path: Path) -> None:
    others = {
        "vendored/six/__init__.py": '__version__ = "1.16.0"\n',
        "tests/fake/__init__.py": '__version__ = "3.0"\n',
        "thing_hatch/other.py": '__version__ = "0.1.0"\n',
    }
    root = repository(tmp_path / "r", HATCHLING | others)
    copy = stamped(root, tmp_path / "s").folder
    assert {name: (copy / name).read_text() for name in others} == others


def test_what_git_ignores_stays_behind(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", HATCHLING | {".gitignore": "*.log\n/dist/\n"})
    write_files(root, {"a.log": "", "dist/b.txt": "", "new.txt": "", "thing_hatch/ü b.txt": ""})
    (root / "thing_hatch" / "data.json").unlink()
    names = project_files(root)
    assert "new.txt" in names
    assert "thing_hatch/ü b.txt" in names
    assert not {"a.log", "dist/b.txt", "thing_hatch/data.json"} & {*names}
    copy = stamped(root, tmp_path / "s").folder
    assert sorted(names) == sorted(
        p.relative_to(copy).as_posix() for p in copy.rglob("*") if not p.is_dir()
    )


@pytest.mark.parametrize(
    ("link", "target", "why"),
    [
        ("out.txt", "../secret.txt", "leads out of the project"),
        ("out.txt", "/etc/hostname", "absolute"),
        ("thing_hatch/deep", "../../other", "leads out of the project"),
        ("in.txt", "../r/pyproject.toml", "leads out of the project"),
        ("none.txt", "nothing.txt", "leads nowhere"),
        ("loop.txt", "loop.txt", "leads nowhere"),
    ],
)
def test_links_that_mean_something_else_in_the_copy_are_refused(
    link: str, target: str, why: str, tmp_path: Path
) -> None:
    root = repository(tmp_path / "r", HATCHLING)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "other").mkdir()
    (root / link).symlink_to(target)
    git(root, "add", "-A")
    with pytest.raises(UserError, match=why) as caught:
        stamped(root, tmp_path / "s")
    assert "put the file itself" in caught.value.hint
    assert not (tmp_path / "s").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".stamp")] == []


def test_links_within_a_project_stay_links(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", HATCHLING)
    (root / "thing_hatch" / "same.json").symlink_to("data.json")
    (root / "docs").symlink_to("thing_hatch")
    staged = stamped(root, tmp_path / "s")
    assert (staged.folder / "thing_hatch/same.json").readlink() == Path("data.json")
    with tarfile.open(fileobj=io.BytesIO(source_archive(staged))) as tar:
        assert tar.getmember("thing_hatch-1.2.0/thing_hatch/same.json").linkname == "data.json"
        assert tar.getmember("thing_hatch-1.2.0/docs").issym()


def test_a_link_by_way_of_a_linked_folder_out_is_refused(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", HATCHLING)
    (root / "one").mkdir()
    (root / "one" / "up").symlink_to("..")
    (root / "two.txt").symlink_to("one/up/../secret.txt")
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises(UserError, match="leads out of the project"):
        stamped(root, tmp_path / "s")


def test_a_submodule_that_is_not_there_is_said(tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner", {"data.txt": "data"})
    root = repository(tmp_path / "r", HATCHLING)
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    assert "sub/data.txt" in project_files(root)
    git(root, "submodule", "deinit", "-q", "-f", "sub")
    with pytest.raises(UserError, match="submodule that isn't checked out") as caught:
        project_files(root)
    assert "git submodule update --init" in caught.value.hint


def test_a_folder_that_git_does_not_know_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path / "r", HATCHLING)
    with pytest.raises(UserError, match="no git checkout"):
        stamped(tmp_path / "r", tmp_path / "s")


def test_a_copy_never_replaces_anything(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", HATCHLING)
    (tmp_path / "s").mkdir()
    with pytest.raises(UserError, match="is there already"):
        stamped(root, tmp_path / "s")


def test_dependencies_of_poetry_are_bounded_and_lose_their_paths(tmp_path: Path) -> None:
    lines = 'Thing_Hatch = {path = "../..", develop = true, extras = ["x"]}\nsix = "*"\n'
    runtime = POETRY | {"pyproject.toml": POETRY["pyproject.toml"] + lines}
    root = repository(tmp_path / "r", HATCHLING | below("runtimes/rt", runtime))
    projects = find_projects(root)
    copy = stamp(projects.runtimes[0], VERSION, tmp_path / "s", family=projects)
    tables = tomllib.loads((copy.folder / "pyproject.toml").read_text())
    found = tables["tool"]["poetry"]["dependencies"]
    assert found["Thing_Hatch"] == {"extras": ["x"], "version": "==1.2.0"}
    assert found["six"] == "*"
    free = stamp(projects.runtimes[0], VERSION, tmp_path / "t", family=projects, bound="none")
    assert 'path = "../.."' in (free.folder / "pyproject.toml").read_text()
