"""One machine for one job: its folders and variables, and the steps that run on it.

A step runs in bash as a runner on GitHub runs it: with `-eo pipefail`, the files that its variables
name, and the PATH that steps before it have added to. A composite action's steps do, too.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from expressions import as_text, evaluate, resolve

# What a step may write, in files that variables of these names name.
_OWN = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")
_SUMMARY = "GITHUB_STEP_SUMMARY"

_STEP = {"name", "id", "if", "uses", "with", "env", "run", "shell", "working-directory"}
_ASKING = ("always", "success", "failure", "cancelled")

_SECONDS = 300


@dataclass
class Ran:
    """What became of a job.

    Attributes:
        result: as `needs` has it.
        log: what all steps said.
        summary: the page that they have written.
        steps: the names of those with a script that ran.
    """

    result: str
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    steps: list[str] = field(default_factory=list)

    @property
    def needed(self) -> dict[str, Any]:
        """As `needs` has it."""
        return {"result": self.result, "outputs": self.outputs}


@dataclass
class Machine:
    """A fresh machine.

    Attributes:
        folder: for all that is on it; it is the user's home, too.
        env: what every step has in its environment.
        actions: what `uses:` may name, without what comes after `@`.
        path: folders that steps have added to the PATH.
        done: the outputs of the steps with an id.
    """

    folder: Path
    env: dict[str, str]
    actions: Mapping[str, Action]
    path: list[str] = field(default_factory=list)
    done: dict[str, Any] = field(default_factory=dict)
    ran: Ran = field(default_factory=lambda: Ran("success"))

    def __post_init__(self) -> None:
        self.workspace.mkdir(parents=True)
        self.temp.mkdir()
        self.env |= {
            "HOME": str(self.folder),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_WORKSPACE": str(self.workspace),
            _SUMMARY: str(self.temp / _SUMMARY),
        }

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    def step(self, step: Mapping[str, Any], known: dict[str, Any]) -> None:
        """Run a step, if its condition holds; `known` are the contexts, with the job's status."""
        assert set(step) <= _STEP, step
        if not holds(step.get("if"), known):
            return
        if "uses" in step:
            action = self.actions[step["uses"].partition("@")[0]]
            with self._with(texts(step.get("env", {}), known)):
                action(self, resolve(step.get("with", {}), known), known)
            return
        code, outputs = self._script(step, known)
        self.done[step.get("id", "")] = {"outputs": outputs}
        if code != 0:
            self.ran.result = known["status"] = "failure"

    def composite(
        self,
        folder: Path,
        said: Mapping[str, Any],
        known: dict[str, Any],
        only: tuple[str, ...] = (),
    ) -> None:
        """Run the steps of the action whose action.yml lies in a folder, or `only` some of them."""
        action = yaml.safe_load((folder / "action.yml").read_text(encoding="utf-8"))
        assert set(said) <= set(action["inputs"]), f"action.yml has no such inputs: {said}"
        inputs = {k: v.get("default", "") for k, v in action["inputs"].items()}
        inputs |= {k: as_text(v) for k, v in said.items()}
        own = {**known, "inputs": inputs, "steps": {}}
        self.env["GITHUB_ACTION_PATH"] = str(folder)
        for step in (s for s in action["runs"]["steps"] if not only or s.get("name") in only):
            assert "uses" in step or step["shell"] == "bash"
            self.step(step, own)
        del self.env["GITHUB_ACTION_PATH"]
        known["status"] = own["status"]

    @contextlib.contextmanager
    def _with(self, env: Mapping[str, str]) -> Iterator[None]:
        """Variables that the steps of one action have."""
        before = {k: self.env.get(k) for k in env}
        self.env |= env
        yield
        for name, value in before.items():
            self.env.pop(name)
            self.env |= {} if value is None else {name: value}

    def _script(
        self, step: Mapping[str, Any], known: Mapping[str, Any]
    ) -> tuple[int, dict[str, str]]:
        """Run a step's script: its exit code and its outputs."""
        files = {name: self.temp / name for name in _OWN}
        for path in files.values():
            path.write_text("")
        env = {**texts(step.get("env", {}), known), **{k: str(p) for k, p in files.items()}}
        where = self.workspace / as_text(resolve(step.get("working-directory", ""), known))
        code, said = self._bash(step["run"], env, where)
        self.ran.steps.append(step["name"])
        self.ran.log += f"## {step['name']}\n{said}"
        self.env |= assignments(files["GITHUB_ENV"].read_text())
        self.path += files["GITHUB_PATH"].read_text().splitlines()
        summary = self.temp / _SUMMARY
        self.ran.summary = summary.read_text() if summary.exists() else ""
        return code, assignments(files["GITHUB_OUTPUT"].read_text())

    def _bash(self, script: str, env: Mapping[str, str], where: Path) -> tuple[int, str]:
        file = self.temp / "step.sh"
        file.write_text(script)
        found = {**self.env, **env}
        found["PATH"] = os.pathsep.join([*reversed(self.path), found["PATH"]])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", file],
            cwd=where,
            env=found,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        return done.returncode, done.stdout


Action = Callable[[Machine, Mapping[str, Any], dict[str, Any]], None]


def texts(values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, str]:
    """Variables with their expressions replaced."""
    return {k: as_text(resolve(v, known)) for k, v in values.items()}


def holds(text: Any, known: Mapping[str, Any]) -> bool:
    """Whether a job or step runs: one that asks for no status runs after success alone."""
    good = known["status"] == "success"
    if text is None:
        return good
    text = str(text).strip().removeprefix("${{").removesuffix("}}")
    asks = any(f"{n}()" in text for n in _ASKING)
    return bool(evaluate(text, known)) and (asks or good)


def assignments(text: str) -> dict[str, str]:
    """What a file of `NAME=VALUE` lines says; a value of several lines begins with `NAME<<END`."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, several, end = line.partition("<<")
        if several and "=" not in name:
            found[name] = "\n".join(itertools.takewhile(lambda x, end=end: x != end, lines))
            continue
        name, sign, value = line.partition("=")
        assert sign, text
        found[name] = value
    return found
