"""action.yml, step by step, as the workflow of another repository runs it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_family import TOP, change
from workflow_machine import Machine
from workflow_place import Place, check_out, environment, set_python_up

from support.gitrepo import git
from support.targets import LOGIN

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.xdist_group("workflows"),
]

# What Lapstrake is made of, which other repositories don't have.
_LAPSTRAKE = ("action.yml", "build", "pyproject.toml", "release")


def example(name: str) -> dict[Any, Any]:
    """A workflow that the documentation shows."""
    text = (TOP / "docs/github-actions.md").read_text(encoding="utf-8")
    found = [yaml.safe_load(b) for b in re.findall(r"```yml\n(.*?)```", text, re.DOTALL)]
    (value,) = (v for v in found if v["name"] == name)
    return dict(value)


def another_repository(place: Place) -> Path:
    """Take what Lapstrake is made of out of the place's repository, into one for the action."""
    action = place.folder / "action"
    git(place.folder, "clone", "-q", place.origin.as_uri(), str(action))
    for name in _LAPSTRAKE:
        git(place.origin, "rm", "-q", "-r", name)
    change(place.origin, "just images", {})
    return action


def test_the_documented_workflow_for_pull_requests(place: Place) -> None:
    """All of the action's steps: it is installed again, beside what it requires."""
    action = another_repository(place)
    (action / "build/lapstrake/__init__.py").write_text('__version__ = "7.0.1"\n')

    def use(machine: Machine, said: Mapping[str, Any], known: dict[str, Any]) -> None:
        there = place.scene.machine.temp / "lapstrake"
        shutil.copytree(there, machine.temp / "lapstrake", copy_function=os.link, symlinks=True)
        machine.composite(action, said, known)

    runner = place.runner("pull_request", {}, "refs/heads/main")
    runner.actions = {**runner.actions, "OWNER/lapstrake": use}
    ran = runner.run(example("Images"), {})["images"]
    assert ran.result == "success", ran.log
    assert ran.steps == ["Set Linux up", "Install Lapstrake", "Run"]
    folder = runner.folder / "images/workspace/dist"
    assert {"build.json", "smoke.json"} <= {p.name for p in folder.iterdir()}
    assert "7.0.1" in ran.log, "another than the action's own was installed"


def test_the_documented_workflow_for_releases(place: Place) -> None:
    action = another_repository(place)

    def use(machine: Machine, said: Mapping[str, Any], known: dict[str, Any]) -> None:
        machine.path.append(place.scene.lapstrake)
        machine.composite(action, said, known, only=("Run",))

    workflow = example("Release")
    # the index has no trusted publishing
    step = workflow["jobs"]["release"]["steps"][-1]
    step["env"] |= {"TWINE_USERNAME": LOGIN[0], "TWINE_PASSWORD": LOGIN[1]}
    runner = place.runner("workflow_dispatch", {}, "refs/heads/main")
    runner.actions = {**runner.actions, "OWNER/lapstrake": use}
    ran = runner.run(workflow, {"version": "1.2.0-rc.1"})["release"]
    assert ran.result == "success", ran.log
    assert ran.steps == ["Log in", "Run"]
    for registry in (place.targets.first, place.targets.second):
        assert {"1.2.0.rc1-base", "1.2.0.rc1-slim"} <= set(place.targets.names(registry))
    assert len(place.targets.uploaded) == 2
    assert [r.draft for r in place.api.repository.releases] == [True]
    assert LOGIN[1] not in ran.log + ran.summary


def test_its_commands_run_one_after_the_other_and_end_with_the_first_that_fails(
    place: Place,
) -> None:
    env = {**environment(), "GITHUB_REF": "refs/heads/main"}
    machine = Machine(place.folder / "machine", env, {"actions/setup-python": set_python_up})
    check_out(place.origin, machine, {"fetch-depth": 0})
    git(machine.workspace, "mv", "images", "core/images")
    git(machine.workspace, "mv", "lapstrake.yaml", "lapstrake.lock", "core")
    machine.path.append(place.scene.lapstrake)
    said = {
        "run": "list --json\n\n  version show\nversion check 1.2.0.rc2\nno-such-command",
        "working-directory": "core",
        "python-version": "",
        "packages": False,
    }
    known = {"runner": {"os": "Linux"}, "status": "success"}
    machine.composite(machine.workspace, said, known, only=("Run",))
    assert known["status"] == "failure"
    assert machine.ran.steps == ["Run"]
    assert '"slim"' in machine.ran.log
    assert "1.2.0.dev0" in machine.ran.log
    assert "skips 1.2.0.rc1" in machine.ran.log
    assert "no-such-command" not in machine.ran.log
