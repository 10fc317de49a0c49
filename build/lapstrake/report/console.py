"""The one place that prints. What a command answers goes to stdout, all else to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from lapstrake.errors import UserError
from lapstrake.redact import redact

_RED, _BOLD, _DIM, _GREEN, _YELLOW, _END = (f"\x1b[{n}m" for n in ("31", "1", "2", "32", "33", "0"))
STYLES = {"bad": _RED, "good": _GREEN, "strong": _BOLD, "quiet": _DIM, "warn": _YELLOW}


def coloured(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that wants colours (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """`text` in a style of `STYLES` where the stream shows it; else as it is."""
    return f"{STYLES[style]}{text}{_END}" if coloured(stream or sys.stdout) else text


def say(text: str = "") -> None:
    """A line of the command's answer."""
    _print(text, sys.stdout)


def say_json(value: object) -> None:
    """The command's answer as JSON."""
    _print(json.dumps(value, indent=2, ensure_ascii=False), sys.stdout)


def note(text: str) -> None:
    """A line beside the answer: progress, warnings."""
    _print(text, sys.stderr)


def complain(error: UserError) -> None:
    """An error: one line, more lines where there are any, and what to do."""
    _print(f"{styled('error:', 'bad', sys.stderr)} {error.message}", sys.stderr)
    for line in error.details:
        _print(f"  {line}", sys.stderr)
    if error.hint:
        _print(f"{styled('hint:', 'quiet', sys.stderr)} {error.hint}", sys.stderr)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> None:
    """An aligned table; the columns numbered in `right` are aligned to the right."""
    flush = set(right)
    lines = [list(head), *(list(r) for r in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for number, line in enumerate(lines):
        cells = [
            c.rjust(w) if i in flush else c.ljust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ]
        text = "  ".join(cells).rstrip()
        say(styled(text, "strong") if number == 0 else text)


def bytes_text(size: float) -> str:
    """A number of bytes for people, in powers of 1000 as registries count."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def seconds_text(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


def _print(text: str, stream: TextIO) -> None:
    # a reader that went away (`lapstrake list | head`) is no error of ours
    with contextlib.suppress(BrokenPipeError):
        shown = (
            redact(text)
            .encode(stream.encoding or "utf-8", "replace")
            .decode(stream.encoding or "utf-8", "replace")
        )
        print(shown, file=stream, flush=True)
