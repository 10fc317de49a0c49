"""`lapstrake version`, in real git repositories."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake_release.history import next_version, read_history
from support.gitrepo import git, repository


def lapstrake(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lapstrake", "-C", root, "version", *args],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with 1.2.0 released, and tags that are no versions."""
    made = repository(tmp_path / "r", {"lapstrake.yaml": "name: x\nversion: 1.3.0.dev0\n"})
    for tag in ("v1.2.0-rc.1", "v1.2.0", "nightly", "other-v9.0.0"):
        git(made, "tag", tag)
    return made


def test_the_next_version_is_printed_alone(root: Path) -> None:
    done = lapstrake(root, "next", "rc")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.3.0.rc1\n", "")


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("ours", "1.3.0.rc1"),
        ("pep440", "1.3.0rc1"),
        ("semver", "1.3.0-rc.1"),
        ("git-tag", "v1.3.0-rc.1"),
    ],
)
def test_it_is_printed_in_any_spelling(root: Path, spelling: str, expected: str) -> None:
    assert lapstrake(root, "next", "rc", "--spelling", spelling).stdout.strip() == expected


def test_a_refusal_is_a_line_and_a_hint(root: Path) -> None:
    done = lapstrake(root, "check", "v1.5.0-rc.1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: 1.5.0.rc1 skips 1.3.0, which isn't final",
        "hint: 1.3.0.rc1 comes next",
    ]
    assert lapstrake(root, "check", "1.3.0").stdout == "1.3.0\n"


def test_a_version_with_a_space_is_one_line(root: Path) -> None:
    done = lapstrake(root, "check", "1.3.0 rc1")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    assert "has a blank" in done.stderr


def test_the_spellings_as_json(root: Path) -> None:
    assert json.loads(lapstrake(root, "show", "1.3.0rc2", "--json").stdout) == {
        "version": "1.3.0.rc2",
        "kind": "rc",
        "pep440": "1.3.0rc2",
        "semver": "1.3.0-rc.2",
        "git_tag": "v1.3.0-rc.2",
        "branch": "release/1.3.x",
    }
    assert json.loads(lapstrake(root, "next", "patch", "--json").stdout)["version"] == "1.2.1"


def test_the_definitions_version_is_shown_by_default(root: Path) -> None:
    done = lapstrake(root, "show")
    assert done.returncode == 0, done.stderr
    assert "v1.3.0-dev.0" in done.stdout


def test_patches_come_from_their_branch(root: Path) -> None:
    git(root, "tag", "v1.3.0-rc.1")
    done = lapstrake(root, "next", "patch")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: 1.2.1 goes backwards: 1.3.0.rc1 was released"
    assert done.stderr.splitlines()[1].endswith("git switch -c release/1.2.x v1.2.0")
    git(root, "switch", "-q", "-c", "release/1.2.x", "v1.2.0")
    assert lapstrake(root, "next", "patch").stdout == "1.2.1\n"
    assert lapstrake(root, "next", "rc").stdout == "1.2.1.rc1\n"
    git(root, "switch", "-q", "main")
    assert "git switch release/1.2.x" in lapstrake(root, "next", "patch").stderr


def test_a_branch_that_only_the_remote_has_counts(root: Path, tmp_path: Path) -> None:
    git(root, "branch", "release/1.2.x")
    clone = tmp_path / "clone"
    git(root, "clone", "-q", str(root), str(clone))
    assert read_history(clone).branched == {(1, 2)}
    with pytest.raises(UserError, match=r"belongs to release/1\.2\.x"):
        next_version("patch", read_history(clone))


def test_a_shallow_clone_without_tags_is_no_empty_history(root: Path, tmp_path: Path) -> None:
    (root / "more").write_text("")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "more")
    clone = tmp_path / "clone"
    git(root, "clone", "-q", "--depth=1", "--no-tags", f"file://{root}", str(clone))
    with pytest.raises(UserError, match="shallow") as caught:
        read_history(clone)
    assert "fetch-depth: 0" in caught.value.hint
    git(clone, "fetch", "-q", "--tags", "--depth=1")
    assert next_version("final", read_history(clone)).ours == "1.3.0"


def test_a_detached_head_is_said(root: Path) -> None:
    git(root, "switch", "-q", "--detach", "v1.2.0")
    done = lapstrake(root, "next", "patch")
    assert done.returncode == 1
    assert "HEAD is detached" in done.stderr
    assert "git switch main" in done.stderr


def test_an_unborn_branch_has_no_history(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    assert next_version("dev", read_history(tmp_path)).ours == "0.1.0.dev1"


def test_what_is_no_checkout_is_said(tmp_path: Path) -> None:
    done = lapstrake(tmp_path, "next", "rc")
    assert done.returncode == 1
    assert "no git checkout" in done.stderr
    assert lapstrake(tmp_path / "none", "next", "rc").returncode == 1


def test_a_tag_with_the_name_of_a_branch_confuses_nobody(root: Path) -> None:
    git(root, "tag", "release/1.2.x")
    assert read_history(root).branched == frozenset()
    assert next_version("patch", read_history(root)).ours == "1.2.1"
