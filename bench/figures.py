"""What was measured: figures, what the project asks of them, and the files with the results."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bench.setting import TOP
from lapstrake import __version__, process
from lapstrake.report import console

Unit = Literal["s", "B", "layers"]
OWN, PIP, UV = "Lapstrake", "Docker + pip", "Docker + uv"


@dataclass(frozen=True)
class Goal:
    """What a figure must reach.

    Without `against`, Lapstrake's own value is at most `bound`; else the value of `against` is at
    least `bound` times Lapstrake's.
    """

    bound: float
    against: str = ""


@dataclass(frozen=True)
class Figure:
    """One measured thing: `values` by whose they are."""

    title: str
    unit: Unit
    values: dict[str, float]
    goals: tuple[Goal, ...] = ()

    def ratio(self, other: str) -> float | None:
        """How many times Lapstrake's value another's is; None where one is missing or zero."""
        own, theirs = self.values.get(OWN), self.values.get(other)
        return theirs / own if own and theirs is not None else None

    def met(self, goal: Goal) -> bool | None:
        """Whether a goal is met; None where that wasn't measured."""
        if not goal.against:
            own = self.values.get(OWN)
            return None if own is None else own <= goal.bound
        ratio = self.ratio(goal.against)
        return None if ratio is None else ratio >= goal.bound


def value_text(value: float | None, unit: Unit) -> str:
    """A value for people."""
    if value is None:
        return ""
    if unit == "B":
        return console.bytes_text(round(value))
    if unit == "layers":
        return f"{value:g}"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def goal_text(figure: Figure, goal: Goal) -> str:
    """A goal, and whether it is met."""
    met = figure.met(goal)
    said = {True: "met", False: "MISSED", None: "not measured"}[met]
    if goal.against:
        return f"at least {goal.bound:.3g} times, {goal.against}: {said}"
    return f"at most {value_text(goal.bound, figure.unit)}: {said}"


def rows(figures: Iterable[Figure]) -> list[list[str]]:
    """The table: title, each side's value, the two ratios, the goals."""
    others = [f for f in figures if set(f.values) - {OWN, PIP, UV}]
    plain = [f for f in figures if f not in others]
    found = []
    for figure in [*plain, *others]:
        sides = [value_text(figure.values.get(s), figure.unit) for s in (OWN, PIP, UV)]
        ratios = [figure.ratio(s) for s in (PIP, UV)]
        shown = ["" if r is None else f"{r:.2f}" for r in ratios]
        more = [
            f"{k} {value_text(v, figure.unit)}"
            for k, v in figure.values.items()
            if k not in {OWN, PIP, UV}
        ]
        goals = [goal_text(figure, g) for g in figure.goals]
        found.append([figure.title, *sides, *shown, "; ".join([*more, *goals])])
    return found


HEAD = ["", OWN, PIP, UV, "pip / Lapstrake", "uv / Lapstrake", "asked for"]


def markdown(figures: Iterable[Figure], machine: dict[str, str], command: str) -> str:
    """The whole page."""
    lines = [f"Measured with `{command}`.", "", *_table(HEAD, rows(list(figures))), ""]
    lines += _table(["", "version or size"], [[k, v] for k, v in machine.items()])
    return "\n".join(lines) + "\n"


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    parts = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(row)} |" for row in parts]


def write_results(
    folder: Path, name: str, figures: list[Figure], machine: dict[str, str], command: str
) -> Path:
    """Write NAME.json and NAME.md; the latter's path."""
    folder.mkdir(parents=True, exist_ok=True)
    value = {
        "command": command,
        "machine": machine,
        "figures": [
            asdict(f) | {"met": {goal_text(f, g): f.met(g) for g in f.goals}} for f in figures
        ],
    }
    (folder / f"{name}.json").write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    page = folder / f"{name}.md"
    page.write_text(markdown(figures, machine, command))
    return page


def describe_machine(client: str) -> dict[str, str]:
    """Cores, memory, kernel, and the version of everything that takes part."""
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    found = {
        "Lapstrake": __version__,
        "commit": _said("git", "rev-parse", "--short", "HEAD"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": console.bytes_text(int(memory[1]) * 1024) if memory else "",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "uv": _said(str(TOP / ".venv/bin/uv"), "--version"),
        "mmdebstrap": _said("mmdebstrap", "--version"),
        "skopeo": _said("skopeo", "--version"),
        "docker-registry": _said("docker-registry", "--version"),
    }
    if client:
        pattern = "{{.Client.Version}} (client), {{.Server.Version}} (engine)"
        found["Docker"] = _said(client, "version", "--format", pattern)
    return found


def _said(*command: str) -> str:
    if process.which(command[0]) is None:
        return "not there"
    result = process.run(command, check=False)
    said = result.stdout.strip() or result.stderr.strip()
    return said.splitlines()[0] if result.code == 0 and said else "unknown"
