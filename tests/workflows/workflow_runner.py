"""Runs the jobs of a workflow as GitHub does: each on a machine of its own, after those it needs.

What `uses:` names is done by functions of the test; an action that none was given for fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from expressions import resolve
from workflow_machine import Action, Machine, Ran, holds, texts

_JOB = {
    *("name", "needs", "if", "runs-on", "timeout-minutes", "permissions", "environment"),
    *("strategy", "outputs", "env", "steps"),
}


@dataclass
class Runner:
    """Where the jobs of one run of a workflow run.

    Attributes:
        folder: for the machines.
        env: what every machine has in its environment.
        contexts: github, vars, runner; `github.token` is a function of a job's permissions.
        secrets: those of every job, and (by its name) of each environment.
        actions: what `uses:` may name, without what comes after `@`.
        ran: what became of each job by its key; the parts of a matrix are `JOB (name)`.
    """

    folder: Path
    env: Mapping[str, str]
    contexts: dict[str, Any]
    secrets: Mapping[str, Mapping[str, str]]
    actions: Mapping[str, Action]
    ran: dict[str, Ran] = field(default_factory=dict)

    def run(
        self, workflow: Mapping[Any, Any], inputs: Mapping[str, Any], only: Sequence[str] = ()
    ) -> dict[str, Ran]:
        """Run all jobs of a workflow (or `only` some), one after the other.

        `inputs` are those that somebody has filled in; the others have their defaults.
        """
        self._check_event(workflow)
        self.contexts["inputs"] = _inputs(workflow, inputs)
        jobs = {k: v for k, v in workflow["jobs"].items() if not only or k in only}
        # neither may name what isn't there
        resolve([workflow.get("concurrency"), workflow.get("run-name")], self.contexts)
        while jobs:
            ready = [j for j in jobs if not needed(jobs[j]) & jobs.keys()]
            assert ready, f"{sorted(jobs)} wait for each other"
            for job in ready:
                self._job(job, jobs.pop(job), workflow)
        return self.ran

    def _check_event(self, workflow: Mapping[Any, Any]) -> None:
        # as YAML 1.1 reads it, the key `on` is true
        events = workflow.get("on", workflow.get(True))
        assert self.contexts["github"]["event_name"] in events

    def _job(self, name: str, job: Mapping[str, Any], workflow: Mapping[Any, Any]) -> None:
        assert set(job) <= _JOB, job
        needs = {n: self.ran[n].needed for n in needed(job)}
        good = all(n["result"] == "success" for n in needs.values())
        known = {**self.contexts, "needs": needs, "status": "success" if good else "failure"}
        if not holds(job.get("if"), known):
            self.ran[name] = Ran("skipped", dict.fromkeys(job.get("outputs", {}), ""))
            return
        matrix = resolve(job.get("strategy", {}).get("matrix"), known)
        rows = matrix["include"] if matrix else [{}]
        parts = [self._one(name, job, workflow, {**known, "matrix": row}) for row in rows]
        good = all(p.result == "success" for p in parts)
        self.ran[name] = parts[0] if len(parts) == 1 else Ran("success" if good else "failure")

    def _one(
        self, name: str, job: Mapping[str, Any], workflow: Mapping[Any, Any], known: dict[str, Any]
    ) -> Ran:
        title = f"{name} ({known['matrix']['name']})" if known["matrix"] else name
        machine = Machine(self.folder / title, dict(self.env), self.actions)
        rights = job.get("permissions", workflow.get("permissions"))
        token = known["github"]["token"](rights)
        known |= {
            "github": {**known["github"], "token": token},
            "secrets": self._secrets(resolve(job.get("environment", ""), known)),
            "status": "success",
            "steps": machine.done,
        }
        for part in (workflow, job):
            machine.env |= texts(part.get("env", {}), known)
        for step in job["steps"]:
            machine.step(step, known)
        machine.ran.outputs = texts(job.get("outputs", {}), known)
        self.ran[title] = machine.ran
        return machine.ran

    def _secrets(self, environment: str) -> dict[str, str]:
        """What a job may know: a secret that it has no right to is empty."""
        names = {name for own in self.secrets.values() for name in own}
        return {**dict.fromkeys(names, ""), **self.secrets[""], **self.secrets[environment]}


def read_workflow(path: Path) -> dict[Any, Any]:
    """A workflow's file."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def needed(job: Mapping[str, Any]) -> set[str]:
    """The jobs that one waits for."""
    needs = job.get("needs", [])
    return {needs} if isinstance(needs, str) else set(needs)


def _inputs(workflow: Mapping[Any, Any], filled: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a dispatch as the page for it lets them be filled in."""
    events = workflow.get("on", workflow.get(True))
    event = events.get("workflow_dispatch") if isinstance(events, Mapping) else None
    known = (event or {}).get("inputs", {})
    assert set(filled) <= set(known), filled
    found = {k: filled.get(k, v.get("default")) for k, v in known.items()}
    for name, value in found.items():
        kind = known[name]["type"]
        assert isinstance(value, bool if kind == "boolean" else str), name
        assert kind != "choice" or value in known[name]["options"], name
        assert value != "" or not known[name].get("required"), name
    return found
