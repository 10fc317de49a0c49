"""The scripts of an environment: those that wheels declare, and those that they bring."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator

_SECTIONS = ("console_scripts", "gui_scripts")
_CALL = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attr>[\w.]+)\s*(?:\[.*\])?")

# Ours and short, so that its bytes depend on nobody's version.
_SCRIPT = """\
#!{python}
import sys

from {module} import {name}

if __name__ == "__main__":
    sys.exit({attr}())
"""


def entry_point_scripts(text: bytes, python: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each script that an entry_points.txt declares, sorted by name.

    Args:
        text: the file's content.
        python: the interpreter's path.

    Raises:
        ValueError: it is no such file, or a script can't be made; the message says which.
    """
    for name, value in sorted(_declared(text).items()):
        match = _CALL.fullmatch(value)
        if match is None or not _is_dotted(match["module"]) or not _is_dotted(match["attr"]):
            raise ValueError(f"{name!r} calls {value!r}, which is no module:function")
        if not _is_file_name(name):
            raise ValueError(f"{name!r} is no name of a script")
        first = match["attr"].partition(".")[0]
        script = _SCRIPT.format(
            python=python, module=match["module"], name=first, attr=match["attr"]
        )
        yield name, script.encode()


def _declared(text: bytes) -> dict[str, str]:
    parser = configparser.ConfigParser(
        delimiters=("=",), interpolation=None, strict=False, default_section="\n"
    )
    parser.optionxform = str  # type: ignore[assignment]
    try:
        parser.read_string(text.decode())
    except configparser.Error as error:
        raise ValueError(str(error).replace("\n", " ")) from error
    found: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            found |= dict(parser.items(section))
    return found


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _is_file_name(name: str) -> bool:
    return (
        name not in {"", ".", ".."}
        and name.isprintable()
        and not {"/", "\\"} & set(name)
        and len(name.encode()) <= 255
    )


def has_placeholder(head: bytes) -> bool:
    """Whether a file of `*.data/scripts` begins with the line that installers replace."""
    return head.startswith(b"#!python")


def with_interpreter(script: bytes, python: str) -> bytes:
    """The script with its first line replaced."""
    _, _, rest = script.partition(b"\n")
    return f"#!{python}\n".encode() + rest
