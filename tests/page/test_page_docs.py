"""What docs/report.md shows is a workflow that GitHub takes."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import yaml

TOP = Path(__file__).parents[2]


def test_the_jobs_for_github_pages_fit_behind_a_release() -> None:
    text = (TOP / "docs/report.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```yml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(shown) == 1
    jobs = yaml.safe_load(shown[0])
    release = yaml.safe_load((TOP / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    assert jobs["page"]["needs"] in release["jobs"]
    # the artifact is one that the workflow leaves
    left = {s["with"]["name"] for s in release["jobs"]["build"]["steps"] if "upload" in str(s)}
    taken = {s["with"]["name"] for s in jobs["page"]["steps"] if "download" in str(s)}
    assert taken == {"dist"}
    assert taken <= left
    schemas = files("check_jsonschema.builtin_schemas.vendor")
    schema = json.loads(schemas.joinpath("github-workflows.json").read_text(encoding="utf-8"))
    workflow = {"on": "workflow_dispatch", "jobs": release["jobs"] | jobs}
    jsonschema.Draft7Validator(schema).validate(workflow)
    pinned = re.compile(r"\./|[\w.-]+/[\w./-]+@[0-9a-f]{40}")
    steps = [s for j in jobs.values() for s in j["steps"]]
    assert all(pinned.fullmatch(s["uses"]) for s in steps if "uses" in s)
