"""Which processes there are, and how they were called."""

from __future__ import annotations

import contextlib
import os
import threading
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


class Watch:
    """Reads every process's arguments as long as it lasts, with `pause` seconds between looks."""

    def __init__(self, pause: float = 0.005) -> None:
        self._pause = pause
        self.seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue
            time.sleep(self._pause)
