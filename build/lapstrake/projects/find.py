"""Which Python projects a repository has, and what they say of themselves."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.utils import InvalidName, canonicalize_name

from lapstrake.errors import DefinitionError, Problem, UserError, relative_to
from lapstrake.projects.legacy import setup_argument
from lapstrake.projects.model import Project, Projects

Json = Mapping[str, object]

LEGACY = "setuptools.build_meta:__legacy__"

_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_VERSIONLESS = 'add version = "0.0.0" to [project]; a release stamps its own'


def find_projects(
    root: Path, core: str = ".", runtimes: str = "runtimes", more: Iterable[Path] = ()
) -> Projects:
    """The core project and those of the runtimes.

    Args:
        root: the repository.
        core: the core project's folder.
        runtimes: whose subfolders are runtimes; one without a project of its own has no wheel.
        more: folders of more projects.

    Raises:
        DefinitionError: all projects that can't be read, have no version, or share a name.
    """
    problems: list[Problem] = []
    first = _read(root / core, root, problems) if is_project(root / core) else None
    folders = {p for p in (root / runtimes).glob("*") if p.is_dir() and is_project(p)}
    folders = {*folders, *more} - {root / core}
    others = [p for folder in sorted(folders) if (p := _read(folder, root, problems))]
    found = Projects(first, tuple(sorted(others, key=lambda p: (p.name, p.folder))))
    problems += _sharing(found.all, root)
    if problems:
        raise DefinitionError(problems)
    return found


def read_project(folder: Path, root: Path | None = None) -> Project:
    """What the project in `folder` says of itself.

    Raises:
        UserError: there is none, it can't be read, or has no name or no version.
    """
    shown = relative_to(folder, root or folder.parent)
    if not is_project(folder):
        raise UserError(f"{shown} has no pyproject.toml and no setup.py")
    table = read_pyproject(folder, shown)
    title, stated, has_version = _from_tables(table)
    if not title or not has_version:
        old_title, old_version = _from_setup(folder)
        title = title or old_title
        has_version = has_version or (old_version is not None and "project" not in table)
        stated = stated or old_version or None
    file = f"{shown}/{next(f for f in _FILES if (folder / f).is_file())}"
    if not title:
        raise UserError(f"{file}:1: the project has no name", 'add name = "…" to [project]')
    try:
        canonicalize_name(title, validate=True)
    except InvalidName as error:
        hint = "letters, digits, - _ and . between them"
        raise UserError(f"{file}: {title!r} is no name of a project", hint) from error
    if not has_version:
        raise UserError(f"{file}: {title} has no version", _VERSIONLESS)
    return Project(title, folder, _backend(table), stated)


def read_pyproject(folder: Path, shown: str = "") -> Json:
    """The tables of pyproject.toml; empty where there is none."""
    path = folder / "pyproject.toml"
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"{shown or folder.name}/pyproject.toml: {error}") from error


def table_at(tables: Json, *keys: str) -> Json:
    """A table within tables; empty where there is none, or no table."""
    found: object = tables
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def build_requires(tables: Json) -> frozenset[str]:
    """Normalised names of what `build-system.requires`."""
    system = table_at(tables, "build-system").get("requires")
    names = (re.match(r"[\w.-]+", str(r)) for r in (system if isinstance(system, list) else ()))
    return frozenset(canonicalize_name(n[0]) for n in names if n)


def similar(name: str) -> str:
    """What the largest index compares: names that look alike can't be registered twice."""
    squeezed = re.sub(r"[-_.]", "", name.lower())
    return squeezed.replace("0", "o").replace("1", "l").replace("i", "l")


def is_project(folder: Path) -> bool:
    """Whether it has a project; a pyproject.toml may also hold settings of tools alone."""
    if (folder / "setup.py").is_file() or (folder / "setup.cfg").is_file():
        return True
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return bool(
        re.search(r"^\s*\[\s*(project|build-system|tool\.(poetry|flit))\b", text, re.MULTILINE)
    ) or not _parses(text)


def _parses(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _read(folder: Path, root: Path, problems: list[Problem]) -> Project | None:
    try:
        return read_project(folder, root)
    except UserError as error:
        found = re.fullmatch(r"(?P<path>[^:]+)(?::(?P<line>\d+))?: (?P<what>.*)", error.message)
        where, line, what = (
            (found["path"], int(found["line"] or 1), found["what"])
            if found
            else (relative_to(folder, root), 1, error.message)
        )
        problems.append(Problem(where, line, what, error.hint))
        return None


def _sharing(projects: Sequence[Project], root: Path) -> Iterable[Problem]:
    """Projects that an index would take for one."""
    seen: dict[str, Project] = {}
    for project in projects:
        other = seen.setdefault(similar(project.name), project)
        if other is project:
            continue
        path = f"{relative_to(project.folder, root)}/pyproject.toml"
        there = f"{other.title} in {relative_to(other.folder, root)}"
        if other.name == project.name:
            yield Problem(path, 1, f"{project.title} and {there} are both {project.name} to PyPI")
        else:
            yield Problem(path, 1, f"{project.title} is too similar to {there} for PyPI")


def _from_tables(tables: Json) -> tuple[str, str | None, bool]:
    """Name, stated version, and whether there is a version, from pyproject.toml alone."""
    project, poetry = table_at(tables, "project"), table_at(tables, "tool", "poetry")
    flit = table_at(tables, "tool", "flit", "metadata")
    title = project.get("name") or poetry.get("name") or flit.get("dist-name")
    stated = project.get("version") or poetry.get("version")
    dynamic = project.get("dynamic")
    is_dynamic = isinstance(dynamic, list) and "version" in dynamic
    has_version = bool(stated) or is_dynamic or bool(flit)
    return str(title or flit.get("module") or ""), str(stated) if stated else None, has_version


def _from_setup(folder: Path) -> tuple[str, str | None]:
    """Name and version from setup.cfg and setup.py; the version is "" where code finds it."""
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read(folder / "setup.cfg", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"{folder.name}/setup.cfg: {first}") from error
    metadata = dict(config["metadata"]) if "metadata" in config else {}
    title = metadata.get("name") or setup_argument(folder, "name") or ""
    version = metadata.get("version")
    if version and re.match(r"(attr|file)\s*:", version):
        version = ""
    if version is None:
        version = setup_argument(folder, "version")
    if version is None and setup_argument(folder, "use_scm_version") is not None:
        version = ""
    return title, version


def _backend(tables: Json) -> str:
    return str(table_at(tables, "build-system").get("build-backend") or LEGACY)
