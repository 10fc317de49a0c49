"""A project with a version stamped in: always in a copy, never in the working tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from lapstrake.errors import UserError
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.projects.files import copy_files, project_files, set_times
from lapstrake.projects.find import Json, build_requires, read_pyproject, table_at
from lapstrake.projects.legacy import setup_argument, stamp_setup_cfg, stamp_setup_py
from lapstrake.projects.model import Bound, Project, Projects, Staged
from lapstrake.projects.pyproject import stamp_pyproject
from lapstrake.projects.source import DECLARED_NAMES, NAMES, stamp_module
from lapstrake.store.scratch import claimed_folder
from lapstrake.version import Version

# Plug-ins of setuptools that take a version from git, and where that isn't, as in a source
# archive, from PKG-INFO. They also write it into modules, which a stated version would prevent.
_FROM_GIT = frozenset({"setuptools-scm", "versioningit", "setuptools-git-versioning"})
# Those of them by which a package's data files are what git tracks.
_FINDERS = frozenset({"setuptools-scm", "setuptools-git"})

_MODULES = ("__init__", "__about__", "__version__", "_version", "about", "version")


def stamp(
    project: Project,
    version: Version,
    into: Path,
    *,
    family: Projects | None = None,
    bound: Bound = "exact",
) -> Staged:
    """Copy a project's files to `into` and stamp the version there.

    Args:
        project: in a git checkout; what git ignores stays behind.
        into: must not be there yet; its folder must.
        family: whoever of these the project requires is bounded to the version too.
        bound: how.

    Raises:
        UserError: the project can't be copied, or is nothing that a version can be stamped into.
    """
    if into.exists():
        raise UserError(f"{into} is there already", "remove it")
    siblings = (family.names if family else frozenset()) - {project.name}
    names = project_files(project.folder)
    if not names:
        raise UserError(f"git tracks no file of {project.folder}", "git add it")
    with claimed_folder(into.parent, ".stamp-") as work:
        copy = work / "copy"
        copy_files(project.folder, names, copy)
        stamped = _stamp_files(project, version, copy, names, siblings, bound)
        set_times(copy, FIXED_MTIME)
        copy.rename(into)
    return Staged(project, version, into, siblings if bound != "none" else frozenset(), stamped)


def _stamp_files(
    project: Project,
    version: Version,
    copy: Path,
    names: list[str],
    siblings: frozenset[str],
    bound: Bound,
) -> tuple[str, ...]:
    tables = read_pyproject(copy)
    from_git = _from_git(tables, copy)
    changed = stamp_pyproject(copy, version, siblings, bound, keep_dynamic=from_git)
    changed += stamp_setup_cfg(copy, version.pep440) + stamp_setup_py(copy, version.pep440)
    changed += tuple(_stamp_modules(project, version.pep440, copy, names, tables))
    if from_git:
        changed += _write_info(project, version, copy)
        changed += tuple(_write_versioningit(tables, version, copy))
    if _is_setuptools(tables) and _plugins(tables, copy) & _FINDERS:
        changed += _list_files(copy, names)
    return tuple(sorted(set(changed)))


def _plugins(tables: Json, folder: Path) -> frozenset[str]:
    """Normalised names of what the build system requires, setup.py's own way included."""
    found = build_requires(tables)
    if setup_argument(folder, "use_scm_version") is not None:
        found |= {"setuptools-scm"}
    return found


def _from_git(tables: Json, folder: Path) -> bool:
    return _is_setuptools(tables) and bool(_plugins(tables, folder) & _FROM_GIT)


def _is_setuptools(tables: Json) -> bool:
    backend = table_at(tables, "build-system").get("build-backend") or "setuptools"
    return str(backend).startswith("setuptools")


def _stamp_modules(
    project: Project, version: str, copy: Path, names: list[str], tables: Json
) -> Iterator[str]:
    """The modules that say the version; their paths."""
    declared = _declared(project, tables, names)
    for name in names:
        path = copy / name
        if path.is_symlink():
            continue
        if name in declared:
            if stamp_module(path, version, DECLARED_NAMES) or _stamp_text(path, version):
                yield name
        elif path.suffix == ".py" and ((own := _is_own(project, name)) or path.stem in _MODULES):
            known = own or project.stated is not None
            if known and stamp_module(path, version, NAMES, None if own else project.stated):
                yield name


def _is_own(project: Project, name: str) -> bool:
    """Whether a file speaks for the package, or is the module, of the project's own name."""
    path = PurePosixPath(name)
    if path.stem in _MODULES:
        return canonicalize_name(path.parent.name) == project.name
    return canonicalize_name(path.stem) == project.name and str(path.parent) in (".", "src")


def _declared(project: Project, tables: Json, names: list[str]) -> set[str]:
    """Files that the project itself names as where its version is."""
    hatch = table_at(tables, "tool", "hatch", "version").get("path")
    pdm = table_at(tables, "tool", "pdm", "version").get("path")
    dynamic = table_at(tables, "tool", "setuptools", "dynamic", "version")
    modules = [str(dynamic.get("attr") or "").rpartition(".")[0]]
    modules.append(str(table_at(tables, "tool", "flit", "metadata").get("module") or ""))
    modules.append(str(table_at(tables, "tool", "flit", "module").get("name") or ""))
    if str(project.backend).startswith("flit"):
        modules.append(project.stem)
    files = dynamic.get("file")
    found = {str(p) for p in (hatch, pdm, *(files if isinstance(files, list) else [files])) if p}
    for module in filter(None, modules):
        path = module.replace(".", "/")
        ends = (f"{path}.py", f"{path}/__init__.py")
        found |= {n for n in names if n in ends or n.endswith(tuple(f"/{e}" for e in ends))}
    return found


def _stamp_text(path: Path, version: str) -> bool:
    """A file that holds a version and nothing else."""
    if path.suffix == ".py" or not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    if len(text.split()) != 1:
        return False
    path.write_text(text.replace(text.strip(), version), encoding="utf-8")
    return text.strip() != version


def _write_info(project: Project, version: Version, copy: Path) -> tuple[str, ...]:
    text = f"Metadata-Version: 2.1\nName: {project.title}\nVersion: {version.pep440}\n"
    (copy / "PKG-INFO").write_text(text)
    return ("PKG-INFO",)


def _write_versioningit(tables: Json, version: Version, copy: Path) -> Iterator[str]:
    """That plug-in writes no module where it reads PKG-INFO: its archives have it already."""
    write = table_at(tables, "tool", "versioningit", "write")
    name = write.get("file")
    if not isinstance(name, str) or ".." in Path(name).parts or Path(name).is_absolute():
        return
    default = '__version__ = "{version}"\n' if name.endswith(".py") else "{version}\n"
    template = str(write.get("template") or default)
    path = copy / name
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = (*version.triple, *(() if version.kind == "final" else (version.semver,)))
    text = template.replace("{version}", version.pep440)
    path.write_text(text.replace("{version_tuple}", repr(numbers)), encoding="utf-8")
    yield name


def _list_files(copy: Path, names: list[str]) -> tuple[str, ...]:
    """Name every file in MANIFEST.in, before what it says already: there is no git to ask."""
    path = copy / "MANIFEST.in"
    before = path.read_bytes() if path.is_file() else b""
    # a pattern can't quote: one unknown character stands for what would mean something
    lines = "".join(f"include {re.sub(r'[^A-Za-z0-9_./+-]', '?', name)}\n" for name in names)
    path.write_bytes(lines.encode() + before)
    return (path.name,)
