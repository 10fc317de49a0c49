"""The workflow that docs/scale-out.md shows: its jobs fit together, its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import yaml

from lapstrake.cli.main import cli


def workflow(top: Path) -> dict[str, Any]:
    page = (top / "docs/scale-out.md").read_text()
    [text] = re.findall(r"^```yml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def test_jobs_wait_for_what_they_use(top: Path) -> None:
    jobs = workflow(top)["jobs"]
    for name, job in jobs.items():
        needed = job.get("needs")
        assert needed is None or needed in list(jobs)[: list(jobs).index(name)]
        used = set(re.findall(r"needs\.(\w+)\.outputs\.(\w+)", str(job)))
        assert all(other == needed and key in jobs[other]["outputs"] for other, key in used)


def test_commands_exist_with_their_options(top: Path) -> None:
    steps = [s for job in workflow(top)["jobs"].values() for s in job["steps"]]
    text = "\n".join(s.get("run", "") for s in steps)
    lines = re.findall(r"(?:^|\$\()(lapstrake [^|\n]*)", text, re.MULTILINE)
    assert {line.split()[1] for line in lines} == {"plan", "build"}
    for line in lines:
        words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "x", line))[1:]
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None
        command.make_context(words[0], words[1:]).close()
