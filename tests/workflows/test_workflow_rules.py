"""Workflows and the action: GitHub's published schemas, and the rules that we add to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lapstrake import process
from lapstrake.definition.channels import DEFAULT

TOP = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((TOP / ".github/workflows").glob("*.yml"))
ACTION = TOP / "action.yml"
_SCHEMAS = "check_jsonschema.builtin_schemas.vendor"
_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_LINE = re.compile(r"uses: (\S+@\S+)(.*)")
_SHOWN = re.compile(r"^```yml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    value = read(path)
    yield from value["runs"]["steps"] if path == ACTION else ()
    for job in value.get("jobs", {}).values():
        yield from job["steps"]


def check_schema(value: object, name: str) -> None:
    schema = json.loads(files(_SCHEMAS).joinpath(name).read_text(encoding="utf-8"))
    # as YAML 1.1 reads it, `on` is true; GitHub and its schema read YAML 1.2
    plain = {"on" if k is True else k: v for k, v in value.items()}  # type: ignore[attr-defined]
    jsonschema.Draft7Validator(schema).validate(plain)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_workflows_fit_the_published_schema(path: Path) -> None:
    check_schema(read(path), "github-workflows.json")


def test_workflows_in_the_pages_fit_it_too_and_install_by_the_action() -> None:
    pages = sorted((TOP / "docs").rglob("*.md"))
    texts = [text for p in pages for text in _SHOWN.findall(p.read_text(encoding="utf-8"))]
    # others are jobs for a workflow of this repository
    shown = [yaml.safe_load(text) for text in texts if text.startswith("# .github/workflows/")]
    assert len(shown) > 3
    inputs = set(read(ACTION)["inputs"])
    for workflow in shown:
        check_schema(workflow, "github-workflows.json")
        for job in workflow["jobs"].values():
            ours = [s for s in job["steps"] if s.get("uses") == "OWNER/lapstrake@COMMIT"]
            assert len(ours) == 1
            assert set(ours[0].get("with", {})) <= inputs


def test_the_action_fits_the_published_schema() -> None:
    check_schema(read(ACTION), "github-actions.json")


def test_the_schema_refuses_what_is_wrong() -> None:
    value = read(WORKFLOWS[0])
    value["permissions"] = {"contents": "everything"}
    with pytest.raises(jsonschema.ValidationError):
        check_schema(value, "github-workflows.json")


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda p: p.name)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    for step in steps(path):
        used = step.get("uses", "./")
        assert used == "./" or _PINNED.fullmatch(used), used
    for used, remark in _LINE.findall(path.read_text(encoding="utf-8")):
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", remark), f"{used}: which version is that?"


def test_an_action_is_pinned_at_one_commit_everywhere() -> None:
    """Also in the pages that show how."""
    pinned: dict[str, set[tuple[str, str]]] = {}
    for path in (*WORKFLOWS, ACTION, *sorted((TOP / "docs").rglob("*.md"))):
        for used, remark in _LINE.findall(path.read_text(encoding="utf-8")):
            name, _, commit = used.partition("@")
            pinned.setdefault(name, set()).add((commit, remark.strip()))
    assert len(pinned) > 3
    assert {n: found for n, found in pinned.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_rights_are_given_job_by_job(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert "group" in workflow["concurrency"]
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job, name
        writes = {k for k, v in job.get("permissions", {}).items() if v == "write"}
        assert not writes & {"contents", "id-token"} or "environment" in job, name


def test_only_an_approved_job_can_publish() -> None:
    workflow = read(TOP / ".github/workflows/release.yml")
    assert "inputs.version" in workflow["concurrency"]["group"]
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert workflow["jobs"]["build"]["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["release"]["environment"] == "release"
    for name, job in workflow["jobs"].items():
        assert name == "release" or "secrets." not in json.dumps(job)


def test_who_promotes_has_the_approval_of_the_channel() -> None:
    workflow = read(TOP / ".github/workflows/promote.yml")
    inputs = workflow[True]["workflow_dispatch"]["inputs"]
    assert inputs["channel"]["options"] == [c.name for c in DEFAULT]
    assert inputs["dry-run"]["default"] is True
    assert workflow["concurrency"]["group"] == "promote-${{ inputs.channel }}"
    assert workflow["concurrency"]["cancel-in-progress"] is False
    (job,) = workflow["jobs"].values()
    assert job["environment"] == "${{ inputs.channel }}"
    assert job["permissions"] == {"contents": "read", "packages": "write"}


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda p: p.name)
def test_no_expression_is_pasted_into_a_script(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_checkouts_leave_no_token_behind(path: Path) -> None:
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def environment(value: object) -> set[str]:
    """The variables that a workflow, its jobs and its steps set."""
    if isinstance(value, list):
        return set().union(*map(environment, value))
    if not isinstance(value, dict):
        return set()
    return set(value.get("env") or ()) | environment(list(value.values()))


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda p: p.name)
def test_scripts_pass_shellcheck(path: Path, tmp_path: Path) -> None:
    given = "".join(f"export {name}=x\n" for name in sorted(environment(read(path))))
    for number, step in enumerate(s for s in steps(path) if "run" in s):
        script = tmp_path / f"{number}.sh"
        script.write_text(given + step["run"])
        process.run(["shellcheck", "--shell=bash", script])
