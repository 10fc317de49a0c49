"""Commands that are ended at moments spread over their run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.processes import wait_for

MOMENTS = 8

BOTH_WAYS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])


@dataclass(frozen=True)
class Command:
    """One subcommand of `lapstrake`.

    Attributes:
        words: its name and arguments.
        root: the repository that it is run in.
        env: the whole environment, with a TMPDIR of its own.
    """

    words: tuple[str, ...]
    root: Path
    env: Mapping[str, str]

    def begin(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lapstrake", "-C", str(self.root), *self.words],
            env=dict(self.env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> float:
        """Run it to its good end; how many seconds that took."""
        began = time.monotonic()
        with self.begin() as child:
            said = child.communicate(timeout=200)[1]
        assert child.returncode == 0, said
        return time.monotonic() - began

    def end_after(self, seconds: float, number: signal.Signals) -> int:
        """Begin it, signal it after some time, and see that no process of it is left.

        Returns:
            what its number was.
        """
        with self.begin() as child:
            try:
                child.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                child.send_signal(number)
                said = child.communicate(timeout=60)[1]
                allowed = {130, -number} if number == signal.SIGINT else {-number}
                # it may have ended by itself in just that moment
                assert child.returncode in allowed | {0}, said
                assert "Traceback" not in said or child.returncode == -signal.SIGINT
        temporary = self.env["TMPDIR"]
        # a program that was just begun is ended by the kernel, with the thread that began it
        patience = 20 if number == signal.SIGKILL else 1
        assert wait_for(temporary, patience) == []
        return child.pid

    @property
    def leftovers(self) -> list[str]:
        """What lies where it keeps temporary files, and what it staged in its repository."""
        staged = [p for p in self.root.rglob(".*") if p.is_file()]
        return sorted(str(p) for p in (*Path(self.env["TMPDIR"]).iterdir(), *staged))


def moments(seconds: float) -> Iterator[tuple[int, float]]:
    """The moments of a run that lasts so long: each one's number, and when it is."""
    for moment in range(MOMENTS):
        yield moment, seconds * (moment + 0.5) / MOMENTS


def with_temporary(env: Mapping[str, str], folder: Path, words: Sequence[str]) -> Command:
    """A command in `folder`/repo with its own temporary folder and cache."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    own = {"TMPDIR": str(temporary), "LAPSTRAKE_CACHE": str(folder / "cache")}
    return Command(tuple(words), folder / "repo", {**env, **own})
