"""What the jobs of one run hand to each other, in a folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_machine import Machine


class Artifacts:
    """The artifacts of one run, each in a folder of its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def upload(self, machine: Machine, said: Mapping[str, Any], _: object) -> None:
        """`actions/upload-artifact`: what patterns name, those with `!` left out, nothing hidden.

        What the patterns that are not left out have in common is left away from the names.
        """
        known = {"name", "path", "if-no-files-found", "compression-level", "retention-days"}
        assert set(said) <= known, said
        target = self.folder / said["name"]
        assert not target.exists(), "an artifact is uploaded once"
        patterns = str(said["path"]).split()
        assert sum(not p.startswith("!") for p in patterns) == 1
        base = _base(patterns[0])
        for path in sorted(p for p in (machine.workspace / base).rglob("*") if p.is_file()):
            inside = path.relative_to(machine.workspace / base)
            name = path.relative_to(machine.workspace).as_posix()
            if is_wanted(name, patterns) and not any(x.startswith(".") for x in inside.parts):
                place = target / inside
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        if said.get("if-no-files-found") == "error":
            assert target.exists(), f"nothing is in {said['path']}"

    def download(self, machine: Machine, said: Mapping[str, Any], _: object) -> None:
        """`actions/download-artifact`."""
        assert set(said) == {"name", "path"}
        source = self.folder / said["name"]
        shutil.copytree(source, machine.workspace / said["path"], dirs_exist_ok=True)

    def names(self, artifact: str) -> set[str]:
        """The files of an artifact."""
        root = self.folder / artifact
        return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}


def is_wanted(name: str, patterns: Sequence[str]) -> bool:
    """Whether patterns name a file: the last that it fits counts; a folder's are all its files."""
    found = False
    for pattern in patterns:
        if _regex(pattern.removeprefix("!")).fullmatch(name):
            found = not pattern.startswith("!")
    return found


def _regex(pattern: str) -> re.Pattern[str]:
    """`*` within a name, `**` for any folders; what is below a match matches as well."""
    parts = re.split(r"(\*\*|\*)", pattern.rstrip("/"))
    known = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(known.get(p, re.escape(p)) for p in parts) + "(/.*)?")


def _base(pattern: str) -> Path:
    """The folder that a pattern's files are named from."""
    fixed = Path(pattern.partition("*")[0])
    return fixed if pattern.endswith("/") else fixed.parent
