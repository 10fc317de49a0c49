"""From YAML files to a `Repository`: typed, validated, every error at once with file and line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lapstrake.definition.check import check_repository
from lapstrake.definition.matrix import Cell, cells
from lapstrake.definition.models import Family, Image
from lapstrake.definition.repository import FAMILY_FILE, ImageDef, Kind, Repository
from lapstrake.definition.source import Source, read_source
from lapstrake.errors import DefinitionError, Problem, UserError, relative_to

_M = TypeVar("_M", bound=BaseModel)

# what pydantic calls an error -> how we say it
_SAYINGS = {
    "extra_forbidden": "unknown key {key!r}",
    "missing": "{key!r} is missing",
    "string_type": "{key!r} must be text",
    "int_type": "{key!r} must be a whole number",
    "int_parsing": "{key!r} must be a whole number",
    "bool_type": "{key!r} must be true or false",
    "bool_parsing": "{key!r} must be true or false",
    "list_type": "{key!r} must be a list",
    "dict_type": "{key!r} must be a mapping",
    "model_type": "{key!r} must be a mapping",
    "model_attributes_type": "{key!r} must be a mapping",
    "too_short": "{key!r} is empty",
}


def find_root(start: Path) -> Path:
    """The nearest folder, upwards from `start`, that holds a lapstrake.yaml."""
    for folder in (start, *start.parents):
        if (folder / FAMILY_FILE).is_file():
            return folder
    raise UserError(
        f"there is no {FAMILY_FILE} here or above", "`lapstrake init` begins a repository"
    )


def load(root: Path) -> Repository:
    """Read and check the definition in the folder `root`.

    Raises:
        DefinitionError: with every problem of every file.
        UserError: `root` holds no lapstrake.yaml.
    """
    if not (root / FAMILY_FILE).is_file():
        raise UserError(f"{root} holds no {FAMILY_FILE}", "`lapstrake init` begins a repository")
    problems: list[Problem] = []
    family_source = read_source(root / FAMILY_FILE, FAMILY_FILE)
    family = _model(Family, family_source, problems)
    folders = family or Family(name="unknown")
    images: dict[str, ImageDef] = {}
    kinds: tuple[tuple[Kind, str], ...] = (
        ("image", folders.images),
        ("runtime", folders.runtimes),
    )
    for kind, folder in kinds:
        for found in _read_folder(root, folder.removeprefix("//"), kind, folders, problems):
            if found.name in images:
                other = images[found.name].source.name
                problems.append(
                    found.problem(f"{found.name!r} is also the name of {other}", "name")
                )
            images.setdefault(found.name, found)
    repository = Repository(root, folders, dict(sorted(images.items())))
    if family is not None:
        problems += check_repository(repository, unread=bool(problems))
    if problems:
        raise DefinitionError(problems)
    return repository


def _read_folder(
    root: Path, folder: str, kind: Kind, family: Family, problems: list[Problem]
) -> list[ImageDef]:
    found: list[ImageDef] = []
    top = root / folder
    if not top.is_dir():
        return found
    for path in sorted(top.glob(f"*/{kind}.yaml")):
        source = read_source(path, relative_to(path, root))
        for cell in _cells(source, problems):
            spec = _model(Image, cell.source, problems)
            if spec is None:
                continue
            if cell.optional:
                spec = spec.model_copy(update={"optional": True})
            name = f"{spec.name or path.parent.name}{cell.suffix}"
            extends = spec.extends
            if extends is None and kind == "runtime" and spec.root is None:
                extends = family.slim
            found.append(ImageDef(name, kind, spec, path.parent, path, cell.source, extends))
    return found


def _cells(source: Source, problems: list[Problem]) -> list[Cell]:
    """The images of a file: one, or one for each value of its matrix."""
    if "matrix" not in source.value:
        return [Cell("", False, source)]
    # `matrix` alone first: what it is decides what the rest of the file says
    part = replace(source, value={"matrix": source.value["matrix"]})
    spec = _model(Image, part, problems)
    return [] if spec is None or spec.matrix is None else list(cells(source, spec.matrix))


def _model(model: type[_M], source: Source, problems: list[Problem]) -> _M | None:
    problems.extend(source.problems)
    if source.problems:
        return None
    try:
        return model.model_validate(source.value)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=True):
            problems.append(_problem(source, detail["loc"], detail["type"], detail["msg"]))
        return None


def _problem(source: Source, loc: tuple[str | int, ...], kind: str, message: str) -> Problem:
    """One of pydantic's errors in our words, at the line it speaks of."""
    keys = _written(source, loc)
    key = _dotted(keys) or "the file"
    if kind in _SAYINGS:
        text = _SAYINGS[kind].format(key=keys[-1] if keys and kind == "extra_forbidden" else key)
    else:
        reason = message.removeprefix("Value error, ")
        text = f"{key}: {reason[0].lower()}{reason[1:]}" if keys else reason
    return Problem(source.name, source.line(*keys), text, _hint(kind))


def _hint(kind: str) -> str:
    if kind == "extra_forbidden":
        return "`lapstrake schema` prints the keys that there are"
    if kind == "string_type":
        return "YAML takes it for a number or another type: put it in quotes"
    return ""


def _written(source: Source, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """`loc` without the parts that are pydantic's own (the branches of a union, validators)."""
    keys: tuple[str | int, ...] = ()
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if (*keys, part) in source.lines or (last and _is_key(part)):
            keys = (*keys, part)
    return keys


def _is_key(part: str | int) -> bool:
    return isinstance(part, str) and part.isidentifier() and part not in {"str", "int"}


def _dotted(keys: tuple[str | int, ...]) -> str:
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.removeprefix(".")
