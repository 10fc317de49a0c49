"""What a project states of its requirements: pure, and without its version.

A lock goes by it. Where a backend finds the requirements itself, the files that it may find them in
stand for them, by their hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from lapstrake.projects.find import Json, read_pyproject, table_at
from lapstrake.projects.legacy import setup_cfg_with, setup_py_with
from lapstrake.projects.model import Project

# Of poetry's ways to say what it requires, those that say more than a version or a place.
_SAYING = ("extras", "markers", "optional", "platform", "python")


@dataclass(frozen=True)
class Stated:
    """What a project requires, as far as it states it.

    Attributes:
        requirements: a line each, sorted; those of extras begin with the extra's name.
        build: its backend and what that requires, sorted.
        python: the Pythons that it is for; empty where it doesn't say.
        dynamic: the SHA-256 of what its backend finds requirements in; empty for none.
        siblings: normalised names of the family's other projects that it names.
    """

    requirements: tuple[str, ...]
    build: tuple[str, ...]
    python: str
    dynamic: str
    siblings: frozenset[str]

    def to_json(self) -> dict[str, object]:
        """As plain JSON, without what is empty."""
        found: dict[str, object] = {
            "requirements": list(self.requirements),
            "build": list(self.build),
            "python": self.python,
            "dynamic": self.dynamic,
        }
        return {key: value for key, value in found.items() if value}


def stated(project: Project, family: frozenset[str]) -> Stated:
    """What a project states.

    Args:
        project: which.
        family: the normalised names of all projects of its repository. Of those, the name and the
            extras alone count: they have the version that is built.
    """
    tables = read_pyproject(project.folder)
    named: set[str] = set()
    lines = [_line(extra, text, family, named) for extra, text in _texts(tables)]
    lines += list(_poetry_lines(tables, family, named))
    poetry = table_at(tables, "tool", "poetry", "dependencies")
    flit = table_at(tables, "tool", "flit", "metadata")
    python = table_at(tables, "project").get("requires-python") or poetry.get("python")
    return Stated(
        requirements=tuple(sorted(lines)),
        build=_build(tables),
        python=str(python or flit.get("requires-python") or ""),
        dynamic=_dynamic(project.folder, tables),
        siblings=frozenset(named),
    )


def _texts(tables: Json) -> Iterator[tuple[str, str]]:
    """Each PEP 508 requirement with the extra that it belongs to (empty for none)."""
    project = table_at(tables, "project")
    flit = table_at(tables, "tool", "flit", "metadata")
    for always in (project.get("dependencies"), flit.get("requires")):
        yield from (("", text) for text in _strings(always))
    for table in (
        table_at(project, "optional-dependencies"),
        table_at(flit, "requires-extra"),
    ):
        for extra, texts in table.items():
            yield from ((extra, text) for text in _strings(texts))


def _strings(value: object) -> Iterable[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def _line(extra: str, text: str, family: frozenset[str], named: set[str]) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        # whoever resolves it says what is wrong with it
        return text
    name = canonicalize_name(requirement.name)
    if name in family:
        named.add(name)
        requirement.name, requirement.url = name, None
        requirement.specifier = SpecifierSet()
    return f"{extra}: {requirement}" if extra else str(requirement)


def _poetry_lines(tables: Json, family: frozenset[str], named: set[str]) -> Iterator[str]:
    poetry = table_at(tables, "tool", "poetry")
    for title, said in table_at(poetry, "dependencies").items():
        name = canonicalize_name(title)
        if name == "python":
            continue
        if name in family:
            named.add(name)
        shown = _without_version(said) if name in family else said
        yield f"{name} {shown if isinstance(shown, str) else _canonical(shown)}".rstrip()
    for extra, texts in table_at(poetry, "extras").items():
        yield f"{extra}: {_canonical(texts)}"


def _without_version(said: object) -> object:
    if not isinstance(said, Mapping):
        return ""
    return {key: said[key] for key in _SAYING if key in said} or ""


def _build(tables: Json) -> tuple[str, ...]:
    system = table_at(tables, "build-system")
    backend = f"build-backend {system.get('build-backend', 'by default')}"
    return (backend, *sorted(_strings(system.get("requires"))))


def _dynamic(folder: Path, tables: Json) -> str:
    """The hash of all that a backend may find requirements in."""
    project, tool = table_at(tables, "project"), table_at(tables, "tool")
    dynamic = set(_strings(project.get("dynamic")))
    states = project or table_at(tool, "poetry") or table_at(tool, "flit")
    if states and not dynamic & {"dependencies", "optional-dependencies"}:
        return ""
    setuptools = table_at(tool, "setuptools", "dynamic")
    hatch = table_at(tool, "hatch", "metadata")
    files = {str(f) for f in _files(setuptools)} | {str(f) for f in _paths(hatch)}
    files |= {p.name for p in folder.glob("*requirements*.txt")} | {"hatch_build.py"}
    hashed = hashlib.sha256(_canonical([setuptools, hatch]).encode())
    for data in (setup_py_with(folder, "0"), setup_cfg_with(folder, "0")):
        hashed.update(hashlib.sha256(data).digest())
    for name in sorted(files):
        path = folder / name
        if path.is_file():
            hashed.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()


def _files(dynamic: Json) -> Iterator[object]:
    """The files that setuptools is told to read requirements from."""
    groups = table_at(dynamic, "optional-dependencies").values()
    for entry in (table_at(dynamic, "dependencies"), *groups):
        named = entry.get("file") if isinstance(entry, Mapping) else None
        yield from named if isinstance(named, list) else [named] if named else []


def _paths(hatch: Json) -> Iterator[object]:
    """The files of hatch's hooks."""
    for hook in table_at(hatch, "hooks").values():
        if isinstance(hook, Mapping) and "path" in hook:
            yield hook["path"]


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
