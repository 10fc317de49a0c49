"""New repositories and new runtimes, from the templates beside this module."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from lapstrake.definition.fields import image_name
from lapstrake.definition.repository import FAMILY_FILE, Repository
from lapstrake.errors import UserError
from lapstrake.store.store import write_staged

_TEMPLATES = Path(__file__).with_name("templates")

# Names that a template can't have itself, or that depend on what is made
_RENAMED = {
    "gitignore": ".gitignore",
    "module": "$module",
    "module.py": "$module.py",
    "pyproject": "pyproject.toml",
}

# What every new runtime has; what it may begin as, and the templates of these
_ANY = "any_runtime"
KINDS = {"file": "runtime", "python": "python"}


def new_repository(folder: Path, name: str) -> list[Path]:
    """Write a repository into `folder`: a base, a slim, a full and one runtime.

    Returns:
        The files written, sorted.

    Raises:
        UserError: `folder` holds a definition already, or `name` can't be a family's name.
    """
    _check_name(name)
    if (folder / FAMILY_FILE).exists():
        raise UserError(f"{folder} has a {FAMILY_FILE} already", "choose another folder")
    files = dict(_render("repository", folder, {"name": name}))
    files |= _runtime_files(folder / "runtimes" / "example", "example")
    return _write(files)


def new_runtime(repo: Repository, name: str, kind: str = "file") -> list[Path]:
    """Write `runtimes/NAME`: a runtime that builds and passes its smoke test as it is.

    `kind` is one of `KINDS`: a module that is copied into the image, or a Python project.

    Raises:
        UserError: there is such an image or folder, or `name` can't be a runtime's name.
    """
    _check_name(name)
    if name in repo.images:
        raise UserError(f"there is a {name} already: {repo.images[name].source.name}")
    folder = repo.root / repo.family.runtimes.removeprefix("//") / name
    if folder.exists():
        raise UserError(f"{repo.relative(folder)} is there already", "choose another name")
    return _write(_runtime_files(folder, name, KINDS[kind]))


def _runtime_files(folder: Path, name: str, template: str = "runtime") -> dict[Path, str]:
    words = re.split(r"[-_.]", name)
    # a module's name can't begin with a digit, and mustn't shadow the package that it serves
    module = f"{'_'.join(words)}_runtime" if name[0].isalpha() else f"r{'_'.join(words)}_runtime"
    cls = "".join(w.capitalize() for w in module.split("_"))
    values = {"name": name, "module": module, "cls": cls}
    return dict(_render(_ANY, folder, values)) | dict(_render(template, folder, values))


def _render(which: str, into: Path, values: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    top = _TEMPLATES / which
    for path in sorted(p for p in top.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        parts = path.relative_to(top).parts
        names = [Template(_RENAMED.get(part, part)).substitute(values) for part in parts]
        yield into.joinpath(*names), Template(path.read_text(encoding="utf-8")).substitute(values)


def _write(files: Mapping[Path, str]) -> list[Path]:
    for path in files:
        if path.exists():
            raise UserError(f"{path} is there already", "nothing was written")
    for path, text in files.items():
        write_staged(path, text.encode())
    return sorted(files)


def _check_name(name: str) -> None:
    try:
        image_name(name)
    except ValueError as error:
        raise UserError(str(error)) from None
