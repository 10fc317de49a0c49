"""One file, several images: each value of a matrix makes one, with a name and a lock of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import Field, field_validator

from lapstrake.definition.part import Part
from lapstrake.definition.source import Source
from lapstrake.errors import Problem

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# with a word before the name, so that a shell's own ${NAME} in `run` stays one
_VARIABLE = re.compile(rf"\$\{{matrix\.({_NAME.pattern})\}}")

# More images than this in one file are a mistake, not a matrix.
_MOST = 64


class Matrix(Part):
    """Values that make one image each.

    `${matrix.NAME}` in any text of the file stands for the image's value of NAME. An image's name
    is that of the folder with the values behind it, such as `cuda-12.4`, and its wheels are
    resolved alone.
    """

    values: dict[str, list[str]] = Field(
        min_length=1, description="by name; with several names, every combination is an image"
    )
    default: dict[str, str] | None = Field(
        default=None,
        description="the values of the images that are built where none is named: the others are "
        "`optional`; by default all are built",
    )

    @field_validator("values")
    @classmethod
    def _some(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, values in value.items():
            if not _NAME.fullmatch(name):
                msg = f"{name!r} is no name for a value (letters, digits, _; no digit first)"
                raise ValueError(msg)
            if not values or len(values) != len(set(values)):
                msg = f"{name} has a value twice" if values else f"{name} has no values"
                raise ValueError(msg)
        return value


@dataclass(frozen=True)
class Cell:
    """One image of a matrix.

    Attributes:
        suffix: what its name adds to the folder's, `-12.4`; empty where there is no matrix.
        optional: whether it is built only where it is named.
        source: the file with the image's values in their places, and the lines as written.
    """

    suffix: str
    optional: bool
    source: Source


def cells(source: Source, matrix: Matrix) -> Iterator[Cell]:
    """The images of a file; what is wrong with the matrix as a whole is a problem of each."""
    problems = tuple(_problems(source, matrix))
    names = list(matrix.values)
    rows = itertools.islice(itertools.product(*matrix.values.values()), 1 if problems else None)
    for row in rows:
        values = dict(zip(names, row, strict=True))
        wanted = matrix.default
        optional = wanted is not None and any(values.get(n) != v for n, v in wanted.items())
        filled = {k: v if k == "matrix" else _filled(v, values) for k, v in source.value.items()}
        suffix = "".join(f"-{value}" for value in row)
        yield Cell(suffix, optional, replace(source, value=filled, problems=problems))


def _problems(source: Source, matrix: Matrix) -> Iterator[Problem]:
    for name, value in (matrix.default or {}).items():
        if value not in matrix.values.get(name, []):
            text = f"matrix.default: {name} has no value {value!r}"
            yield Problem(source.name, source.line("matrix", "default", name), text)
    count = 1
    for values in matrix.values.values():
        count *= len(values)
    if count > _MOST:
        text = f"a matrix of {count} images is more than {_MOST}"
        yield Problem(source.name, source.line("matrix", "values"), text)
    rest = {k: v for k, v in source.value.items() if k != "matrix"}
    used = set(_used(rest))
    for name in sorted(used - set(matrix.values)):
        text = f"${{matrix.{name}}} is none of the matrix's values"
        hint = f"there are {', '.join(matrix.values)}"
        yield Problem(source.name, source.line("matrix"), text, hint)
    for name in sorted(set(matrix.values) - used):
        text = f"nothing in the file uses ${{matrix.{name}}}"
        yield Problem(source.name, source.line("matrix", "values", name), text)
    if "name" in source.value:
        text = "an image of a matrix has its folder's name and its values"
        yield Problem(source.name, source.line("name"), text, "leave `name` out")


def _filled(value: object, values: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: values.get(m[1], m[0]), value)
    if isinstance(value, dict):
        return {k: _filled(v, values) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, values) for v in value]
    return value


def _used(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from (m[1] for m in _VARIABLE.finditer(value))
    elif isinstance(value, dict):
        for part in value.values():
            yield from _used(part)
    elif isinstance(value, list):
        for part in value:
            yield from _used(part)
