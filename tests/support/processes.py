"""Which processes of a command are there still."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path


def processes_with(word: str) -> list[str]:
    """The arguments of every process that has `word` among them or in its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            args = (folder / "cmdline").read_bytes()
            env = (folder / "environ").read_bytes()
            if int(folder.name) != os.getpid() and word.encode() in args + env:
                found.append(args.replace(b"\0", b" ").decode(errors="replace"))
    return found


def wait_for(check: str, seconds: float = 20) -> list[str]:
    """What `processes_with` finds once it finds nothing, or after some time."""
    end = time.monotonic() + seconds
    while (found := processes_with(check)) and time.monotonic() < end:
        time.sleep(0.05)
    return found
