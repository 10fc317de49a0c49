"""Progress of a long command: what is in flight, how many bytes, at which rate.

A `Progress` is told of steps by key, from any thread. There are three: a live view for
terminals, plain lines for logs, JSON lines for programs.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from lapstrake.redact import redact
from lapstrake.report import console

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

Mode = Literal["auto", "live", "plain", "json"]


@dataclass
class Step:
    """One step in flight; `total` is 0 where the number of bytes isn't known."""

    key: str
    title: str
    total: int = 0
    done: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began


class Progress(ABC):
    """Told of steps from any thread; shows them as long as it is entered."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._steps: dict[str, Step] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, key: str, title: str, total: int = 0) -> None:
        """A step begins; `total` bytes are expected (0: unknown)."""
        with self._lock:
            step = self._steps[key] = Step(key, redact(title), total)
            self.on_start(step)

    def advance(self, key: str, count: int) -> None:
        """`count` more bytes of a step are done."""
        with self._lock:
            step = self._steps.get(key)
            if step is not None:
                step.done += count
                self.on_advance(step)

    def finish(self, key: str, outcome: str = "done") -> None:
        """A step has ended: `done`, `failed`, …"""
        with self._lock:
            step = self._steps.pop(key, None)
            if step is not None:
                self.on_finish(step, outcome)

    @contextmanager
    def step(self, key: str, title: str, total: int = 0) -> Iterator[None]:
        """A step that lasts as long as the block; `failed` where it raises."""
        self.start(key, title, total)
        try:
            yield
        except BaseException:
            self.finish(key, "failed")
            raise
        self.finish(key)

    def note(self, text: str) -> None:
        """A line beside the steps."""
        with self._lock:
            self.on_note(redact(text))

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Nothing more will be told."""

    @abstractmethod
    def on_start(self, step: Step) -> None: ...

    @abstractmethod
    def on_advance(self, step: Step) -> None: ...

    @abstractmethod
    def on_finish(self, step: Step, outcome: str) -> None: ...

    @abstractmethod
    def on_note(self, text: str) -> None: ...


class Plain(Progress):
    """A line when a step ends (and one when it begins, if it turns out to be long)."""

    _LONG = 5.0

    def __init__(self) -> None:
        super().__init__()
        self._announced: set[str] = set()
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._announce_long, daemon=True)
        self._watch.start()

    def close(self) -> None:
        """End the thread that announces long steps."""
        self._stop.set()

    def _announce_long(self) -> None:
        while not self._stop.wait(1):
            with self._lock:
                for step in self._steps.values():
                    if step.seconds > self._LONG and step.key not in self._announced:
                        self._announced.add(step.key)
                        console.note(f"… {step.title}")

    def on_start(self, step: Step) -> None:
        """Nothing: most steps are short."""

    def on_advance(self, step: Step) -> None:
        """Nothing: a log is no place for bars."""

    def on_finish(self, step: Step, outcome: str) -> None:
        """The step's line."""
        size = f", {console.bytes_text(step.done)}" if step.done else ""
        mark = "✓" if outcome == "done" else "✗"
        more = "" if outcome == "done" else f" {outcome}"
        console.note(f"{mark} {step.title}{more} ({console.seconds_text(step.seconds)}{size})")

    def on_note(self, text: str) -> None:
        """The line."""
        console.note(text)


class JsonLines(Progress):
    """One JSON object a line on stderr: event, key, title, bytes, total, seconds."""

    def on_start(self, step: Step) -> None:
        """`start`."""
        self._write("start", step)

    def on_advance(self, step: Step) -> None:
        """Nothing between begin and end: programs want no flood."""

    def on_finish(self, step: Step, outcome: str) -> None:
        """`done` or what else the outcome is."""
        self._write(outcome, step)

    def on_note(self, text: str) -> None:
        """`note`."""
        self._print({"event": "note", "text": text})

    def _write(self, event: str, step: Step) -> None:
        self._print(
            {
                "event": event,
                "key": step.key,
                "title": step.title,
                "bytes": step.done,
                "total": step.total,
                "seconds": round(step.seconds, 3),
            }
        )

    def _print(self, value: dict[str, object]) -> None:
        console.note(json.dumps(value, ensure_ascii=False))


class Live(Progress):
    """Bars that move, on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._bars = _bars()
        self._tasks: dict[str, TaskID] = {}
        self._bars.start()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()

    def on_start(self, step: Step) -> None:
        """A bar appears."""
        total = step.total or None
        self._tasks[step.key] = self._bars.add_task(step.title, total=total)

    def on_advance(self, step: Step) -> None:
        """The bar moves."""
        self._bars.update(self._tasks[step.key], completed=step.done)

    def on_finish(self, step: Step, outcome: str) -> None:
        """The bar gives way to a line above the others."""
        self._bars.remove_task(self._tasks.pop(step.key))
        good = outcome == "done"
        mark = "[green]✓[/]" if good else f"[red]✗ {outcome}[/]"
        size = f"  {console.bytes_text(step.done)}" if step.done else ""
        seconds = console.seconds_text(step.seconds)
        self._bars.console.print(f"{mark} {_plain(step.title)}[dim]  {seconds}{size}[/]")

    def on_note(self, text: str) -> None:
        """A line above the bars."""
        self._bars.console.print(_plain(text))


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _bars() -> RichProgress:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=24),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )


def open_progress(mode: Mode) -> Progress:
    """The progress for a mode; `auto` is live on a terminal, else plain."""
    if mode == "json":
        return JsonLines()
    if mode == "live" or (mode == "auto" and console.coloured(sys.stderr)):
        return Live()
    return Plain()
