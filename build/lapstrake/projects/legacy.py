"""setup.py and setup.cfg: what they state, and other versions put in their place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from lapstrake.projects.source import Edit, apply_edits, place_of


def setup_argument(folder: Path, name: str) -> str | None:
    """The argument `name` of setup.py's call of `setup`; "" where it is no plain text.

    None where there is no such argument, no setup.py, or one that isn't Python.
    """
    node = _argument(folder, name)
    if node is None:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


def stamp_setup_py(folder: Path, version: str) -> tuple[str, ...]:
    """Put `version` where setup.py says `version=…`; the names of the files that were changed."""
    if _argument(folder, "version") is None:
        return ()
    path = folder / "setup.py"
    path.write_bytes(setup_py_with(folder, version))
    return (path.name,)


def setup_py_with(folder: Path, version: str) -> bytes:
    """What setup.py would be with another version; empty where there is none."""
    path = folder / "setup.py"
    data = path.read_bytes() if path.is_file() else b""
    node = _argument(folder, "version")
    return data if node is None else apply_edits(data, [Edit(*place_of(node, data), repr(version))])


_METADATA = re.compile(
    rb"(?P<head>^\[metadata\][^\n]*\n(?:(?!\[)[^\n]*\n)*?version[ \t]*[=:][ \t]*)"
    rb"(?P<value>[^\r\n]*)",
    re.MULTILINE,
)


def stamp_setup_cfg(folder: Path, version: str) -> tuple[str, ...]:
    """Put `version` where setup.cfg's `[metadata]` says one; the files that were changed."""
    path = folder / "setup.cfg"
    stamped = setup_cfg_with(folder, version)
    if not path.is_file() or stamped == path.read_bytes():
        return ()
    path.write_bytes(stamped)
    return (path.name,)


def setup_cfg_with(folder: Path, version: str) -> bytes:
    """What setup.cfg would be with another version; empty where there is none."""
    path = folder / "setup.cfg"
    data = path.read_bytes() if path.is_file() else b""
    return _METADATA.sub(lambda m: m["head"] + version.encode(), data, count=1)


def _argument(folder: Path, name: str) -> ast.expr | None:
    try:
        tree = ast.parse((folder / "setup.py").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) == "setup":
            for keyword in node.keywords:
                if keyword.arg == name:
                    return keyword.value
    return None


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
