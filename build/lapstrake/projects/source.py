"""`__version__ = "…"` in a project's modules, changed where it stands."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = frozenset({"__version__"})
# Only in a file that the project itself names as where its version is.
DECLARED_NAMES = frozenset({"__version__", "__VERSION__", "VERSION", "version"})


@dataclass(frozen=True)
class Edit:
    """Bytes `begin` to `end` of a file are to become `text`."""

    begin: int
    end: int
    text: str


def apply_edits(data: bytes, edits: Sequence[Edit]) -> bytes:
    """`data` with each edit made; they don't overlap."""
    for edit in sorted(edits, key=lambda e: e.begin, reverse=True):
        data = data[: edit.begin] + edit.text.encode() + data[edit.end :]
    return data


def place_of(node: ast.expr, data: bytes) -> tuple[int, int]:
    """Where an expression begins and ends in its file, in bytes."""
    lines = data.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
    return starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column


def stamp_module(
    path: Path, version: str, names: Collection[str] = NAMES, only: str | None = None
) -> bool:
    """Put `version` where a module assigns a text to one of `names`; whether it was changed.

    Args:
        only: change no other text than this one; any where it is None.
    """
    try:
        data = path.read_bytes()
        tree = ast.parse(data)
    except (OSError, SyntaxError, ValueError):
        return False
    edits = []
    for node in tree.body:
        value = _assigned(node, names)
        if value is None or (only is not None and value.value != only):
            continue
        begin, end = place_of(value, data)
        # in another encoding than UTF-8, places could be off
        if _literal(data[begin:end]) == value.value:
            edits.append(Edit(begin, end, _quoted(version, data[begin:end])))
    stamped = apply_edits(data, edits)
    if stamped == data:
        return False
    path.write_bytes(stamped)
    return True


def _assigned(node: ast.stmt, names: Collection[str]) -> ast.Constant | None:
    """The text that a statement gives to one of `names`."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return None
    named = any(isinstance(t, ast.Name) and t.id in names for t in targets)
    value = node.value
    if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value
    return None


def _literal(data: bytes) -> object:
    try:
        return ast.literal_eval(data.decode())
    except (SyntaxError, ValueError):
        return None


def _quoted(version: str, like: bytes) -> str:
    quote = "'" if like.endswith(b"'") else '"'
    return f"{quote}{version}{quote}"
