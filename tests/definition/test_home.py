"""Settings of a release that name the checkout's own repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lapstrake.definition.home import VARIABLE, at_home, find_home
from lapstrake.definition.load import load
from lapstrake.definition.models import ReleaseSpec
from lapstrake.errors import DefinitionError, UserError

SPEC = ReleaseSpec.model_validate(
    {"registries": ["ghcr.io/{owner}", "r.example/x"], "github": "{owner}/{name}"}
)


def checkout(path: Path, origin: str = "") -> Path:
    """A checkout whose remote `origin` is that."""
    subprocess.run(["git", "init", "-q", path], check=True)
    if origin:
        subprocess.run(["git", "-C", path, "remote", "add", "origin", origin], check=True)
    return path


@pytest.mark.parametrize(
    "origin",
    [
        "git@github.com:Acme/Models.git",
        "https://github.com/Acme/Models",
        "https://user@git.acme.example:8443/Acme/Models.git/",
        "ssh://git@github.com/Acme/Models.git",
    ],
)
def test_a_remote_says_it(tmp_path: Path, origin: str) -> None:
    assert find_home(checkout(tmp_path, origin), {}) == ("Acme", "Models")


def test_a_workflow_says_it_before_any_remote(tmp_path: Path) -> None:
    root = checkout(tmp_path, "git@github.com:acme/models.git")
    found = at_home(SPEC, root, {VARIABLE: "Forker/Models"})
    assert found.registries == ["ghcr.io/forker", "r.example/x"]
    assert found.github == "Forker/Models"


@pytest.mark.parametrize(
    "origin", ["", "/srv/git/models.git", "file:///srv/git/models.git", "../a/b"]
)
def test_nothing_says_it(tmp_path: Path, origin: str) -> None:
    with pytest.raises(UserError, match="who that is") as caught:
        at_home(SPEC, checkout(tmp_path, origin), {})
    assert VARIABLE in caught.value.hint


def test_nobody_is_asked_where_names_are_written_out(tmp_path: Path) -> None:
    spec = ReleaseSpec.model_validate({"registries": ["r.example/x"], "github": "a/b"})
    assert at_home(spec, tmp_path, {}) is spec


def test_only_these_two_names(tmp_path: Path) -> None:
    (tmp_path / "lapstrake.yaml").write_text(
        "name: fam\nrelease:\n  registries: ['ghcr.io/{home}']\n  github: '{owner.x}/{name}'\n"
    )
    with pytest.raises(DefinitionError) as caught:
        load(tmp_path)
    assert [p.line for p in caught.value.problems] == [3, 4]
