"""A version, and what it bounds, stamped into pyproject.toml; all else stays as it was written."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import cast

import tomlkit
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from tomlkit.exceptions import ParseError

from lapstrake.errors import UserError
from lapstrake.projects.model import Bound
from lapstrake.version import Version

Table = MutableMapping[str, object]

# Where poetry says where a dependency comes from: only a version can be published.
_PLACES = ("path", "develop", "git", "branch", "tag", "rev", "url", "subdirectory")


def stamp_pyproject(
    folder: Path,
    version: Version,
    siblings: frozenset[str],
    bound: Bound,
    *,
    keep_dynamic: bool,
) -> tuple[str, ...]:
    """Put the version, and bounds on siblings, into pyproject.toml; the files that were changed.

    Args:
        keep_dynamic: leave `dynamic = ["version"]` to the backend, which finds the version in
            PKG-INFO; otherwise it becomes a stated one.
    """
    path = folder / "pyproject.toml"
    if not path.is_file():
        return ()
    before = path.read_bytes()
    try:
        document = tomlkit.parse(before)
    except (ParseError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {error}") from error
    tables = cast("Table", document)
    _stamp_version(tables, version, keep_dynamic=keep_dynamic)
    if bound != "none":
        _bound_siblings(tables, siblings, specifier(version, bound))
    after = tomlkit.dumps(document).encode()
    if after == before:
        return ()
    path.write_bytes(after)
    return (path.name,)


def specifier(version: Version, bound: Bound) -> SpecifierSet:
    """What a project may require of a sibling: `==1.2.0`, or `>=1.2.0,<1.3`."""
    if bound == "exact":
        return SpecifierSet(f"=={version.pep440}")
    major, minor = version.line
    return SpecifierSet(f">={version.pep440},<{major}.{minor + 1}")


def _stamp_version(tables: Table, version: Version, *, keep_dynamic: bool) -> None:
    project, tool = _table(tables, "project"), _table(tables, "tool")
    poetry = _table(tool, "poetry")
    if "version" in project:
        project["version"] = version.pep440
    dynamic = project.get("dynamic")
    if isinstance(dynamic, list) and "version" in dynamic and not keep_dynamic:
        dynamic.remove("version")
        project["version"] = version.pep440
    if "version" in poetry or ("name" in poetry and "version" not in project):
        poetry["version"] = version.pep440
    # it would ask git, which isn't there, and overwrite what stands here
    plugin = _table(tool, "poetry-dynamic-versioning")
    if plugin:
        plugin["enable"] = False


def _bound_siblings(tables: Table, siblings: frozenset[str], allowed: SpecifierSet) -> None:
    project = _table(tables, "project")
    _bound_list(project.get("dependencies"), siblings, allowed)
    for extra in _table(project, "optional-dependencies").values():
        _bound_list(extra, siblings, allowed)
    poetry = _table(_table(tables, "tool"), "poetry")
    dependencies = _table(poetry, "dependencies")
    for name in list(dependencies):
        if canonicalize_name(name) in siblings:
            dependencies[name] = _bound_poetry(dependencies[name], allowed)


def bound_requirement(text: str, siblings: frozenset[str], allowed: SpecifierSet) -> str:
    """The same requirement; bounded where it is of a sibling."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return text
    if canonicalize_name(requirement.name) not in siblings:
        return text
    requirement.specifier, requirement.url = allowed, None
    return str(requirement)


def _bound_list(found: object, siblings: frozenset[str], allowed: SpecifierSet) -> None:
    if not isinstance(found, list):
        return
    for number, text in enumerate(found):
        bounded = bound_requirement(str(text), siblings, allowed)
        if bounded != str(text):
            found[number] = bounded


def _bound_poetry(found: object, allowed: SpecifierSet) -> object:
    if not isinstance(found, MutableMapping):
        return str(allowed)
    for key in _PLACES:
        found.pop(key, None)
    found["version"] = str(allowed)
    return found


def _table(tables: Table, name: str) -> Table:
    """A table of a document; an empty one, which belongs to nothing, where there is none."""
    found = tables.get(name)
    return cast("Table", found) if isinstance(found, MutableMapping) else {}
