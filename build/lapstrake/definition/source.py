"""YAML with line numbers: plain values, and the line where each of them stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from lapstrake.errors import Problem

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG_PREFIX = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    _TAG_PREFIX + name
    for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge")
)

# A file with more values than this is none that a person wrote: aliases of aliases can stand for
# more than any memory holds.
_MOST = 50_000

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """One YAML file: its value, the lines of its parts, and what is wrong with it.

    Attributes:
        name: the file as the user knows it, for messages.
        value: the top mapping (empty where the file could not be read).
        lines: key paths -> line numbers, from 1.
        problems: what makes it no YAML mapping.
    """

    name: str
    value: dict[str, object]
    lines: dict[Keys, int]
    problems: tuple[Problem, ...]

    def line(self, *keys: str | int) -> int:
        """The line of a key path, or of the nearest part around it that stands in the file."""
        while keys:
            if keys in self.lines:
                return self.lines[keys]
            keys = keys[:-1]
        return 1


def read_source(path: Path, name: str) -> Source:
    """Read a YAML file; all that is wrong with it is in `problems`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return _broken(name, 1, "there is no such file")
    except (OSError, UnicodeDecodeError) as error:
        return _broken(name, 1, f"can't be read: {_reason(error)}")
    return parse_source(text, name)


def parse_source(text: str, name: str) -> Source:
    """As `read_source`, from text."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return _broken(name, line, f"is no YAML: {error.problem or error.context}")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return _broken(name, 1, f"is no YAML: {_first_line(error)}")
    if node is None:
        return Source(name, {}, {}, ())
    if not isinstance(node, yaml.MappingNode):
        return _broken(name, node.start_mark.line + 1, "is no mapping of keys to values")
    return _read_safely(node, name)


def _read_safely(node: yaml.MappingNode, name: str) -> Source:
    try:
        return _read_node(node, name)
    except (LookupError, TypeError):
        # what the loader makes of `!!bool maybe`, `!!int ''`, a mapping as a key
        return _broken(name, 1, "is no plain YAML: a value or key isn't what its tag says")
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        return _broken(name, 1, f"is no plain YAML: {_first_line(error)}")


def _read_node(node: yaml.MappingNode, name: str) -> Source:
    lines: dict[Keys, int] = {}
    problems: list[Problem] = []
    for keys, child, line in _walk((), node):
        if keys in lines:
            text = f"{keys[-1]!r} is given twice (first in line {lines[keys]})"
            problems.append(Problem(name, line, text))
        lines.setdefault(keys, line)
        if len(lines) + len(problems) > _MOST:
            msg = f"it has more than {_MOST} values (aliases count each time)"
            raise ValueError(msg)
        if child.tag not in _PLAIN_TAGS:
            shown = child.tag.replace(_TAG_PREFIX, "!!")
            problems.append(Problem(name, line, f"the tag {shown} is not understood"))
    loader = _Loader("")
    value = {} if problems else loader.construct_document(node)
    return Source(name, value, lines, tuple(problems))


def _walk(
    keys: Keys, node: yaml.Node, seen: tuple[int, ...] = ()
) -> Iterator[tuple[Keys, yaml.Node, int]]:
    if id(node) in seen:
        msg = "an alias refers to what it lies in"
        raise ValueError(msg)
    seen = (*seen, id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*keys, str(key.value))
            yield inner, value, key.start_mark.line + 1
            yield from _walk(inner, value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*keys, index), value, value.start_mark.line + 1
            yield from _walk((*keys, index), value, seen)


def _broken(name: str, line: int, message: str) -> Source:
    return Source(name, {}, {}, (Problem(name, line, message),))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "it is not UTF-8"
