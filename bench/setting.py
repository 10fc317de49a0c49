"""What every part of the benchmark works with, and how it measures time."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lapstrake import process
from lapstrake.report import console

TOP = Path(__file__).resolve().parents[1]
LAPSTRAKE = TOP / ".venv/bin/lapstrake"
PYTHON = TOP / ".venv/bin/python"

# In the order in which each stands on the one before it, or on `slim`.
IMAGES = ("base", "slim", "sklearn", "xgboost", "lightgbm", "full")


@dataclass(frozen=True)
class Setting:
    """One run of the benchmark.

    Attributes:
        run_id: tells what this run made in Docker from what anybody else did.
        work: a temporary folder, removed at the end.
        docker: the client's path; empty where no part needs one.
        quick: measure once what is else measured several times.
    """

    run_id: str
    work: Path
    docker: str
    quick: bool

    def times(self, count: int) -> int:
        """How often to measure what is measured `count` times in a full run."""
        return 1 if self.quick else count


def seconds(act: Callable[[], object]) -> float:
    """How long one call takes, by the clock on the wall."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def median(count: int, act: Callable[[], object]) -> float:
    """The median of the seconds that `count` calls take."""
    return statistics.median(seconds(act) for _ in range(count))


def lapstrake(*args: str | Path, cache: Path | None = None, repository: Path = TOP) -> None:
    """Run the command as a user does, in a process of its own.

    Raises:
        UserError: it failed; with the last lines of what it said.
    """
    process.run([LAPSTRAKE, "-C", repository, *args], env=environment(cache))


def environment(cache: Path | None) -> Mapping[str, str] | None:
    """The environment for a `lapstrake` with a cache of its own; the user's where it is None."""
    return None if cache is None else {**os.environ, "LAPSTRAKE_CACHE": str(cache)}


def say(text: str) -> None:
    """Tell what is being measured."""
    console.note(f"bench: {text}")
