"""The journal of a release: what it did, one JSON object a line, each on disk before the next step.

It is a help, not the truth: whoever goes on with a release asks its targets again. Lines that a
crash has cut off are left out, and a journal that is lost is written anew from what is found.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.redact import redact
from lapstrake.store.store import writing

Outcome = Literal["", "done", "failed", "cancelled"]
Facts = Mapping[str, Any]

_NAME = re.compile(r"release-(.+)\.jsonl")

# Seconds between two lines that only say how far a transfer is.
_EVERY = 0.5

# Whoever only looks whether a lock is held holds it for a moment: how long to try, in seconds.
_MOMENT = 0.5


@dataclass(frozen=True)
class Holder:
    """Which process holds a version: its number, its machine and the job that it does."""

    pid: int
    host: str
    job: str

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == socket.gethostname()

    def __str__(self) -> str:
        return f"job {self.job}, process {self.pid} on {self.host}"


@dataclass
class State:
    """What a journal says: where the last run of a release is, or how it ended.

    Attributes:
        phase: the last that began; `image` what it was about, `percent` how far it had come.
        outcome: how the last run ended; empty where it runs, or was killed.
        errors: what the last run ran into.
        done: phase and key of each thing that was done -> what is known of it.
        seconds: of each phase of the last run that has ended.
    """

    version: str
    job: str = ""
    commit: str = ""
    phase: str = ""
    image: str = ""
    percent: int = 0
    outcome: Outcome = ""
    errors: list[str] = field(default_factory=list)
    done: dict[tuple[str, str], Facts] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    runs: int = 0
    at: str = ""

    def take(self, event: Facts) -> None:
        """Add one line of the journal; a kind of line that is unknown changes nothing."""
        self.at = str(event.get("at", self.at))
        kind = event.get("event")
        if kind == "begin":
            self.job, self.commit = str(event.get("job", "")), str(event.get("commit", ""))
            self.phase = self.image = ""
            self.outcome, self.percent, self.errors, self.seconds = "", 0, [], {}
            self.runs += 1
        elif kind == "phase":
            self.phase, self.image, self.percent = str(event.get("phase")), "", 0
        elif kind == "progress":
            self.image, self.percent = str(event.get("image")), int(event.get("percent", 0))
        elif kind == "over":
            self.seconds[str(event.get("phase"))] = float(event.get("seconds", 0))
        elif kind == "done":
            value = event.get("value")
            key = (str(event.get("phase")), str(event.get("key")))
            self.done[key] = value if isinstance(value, dict) else {}
        elif kind == "error":
            self.errors.append(str(event.get("message")))
        elif kind == "end":
            self.outcome = event.get("outcome", "failed")


class Journal:
    """The journal of one version, open for more lines; from several threads.

    `state` is what it says so far.
    """

    def __init__(self, path: Path, state: State) -> None:
        self.path = path
        self.state = state
        self._lock = threading.Lock()
        self._said = 0.0
        with writing(path.parent):
            self._file = path.open("ab", buffering=0)
            # a line that a crash cut off must not spoil the next one
            if self._file.tell() and not path.read_bytes().endswith(b"\n"):
                self._file.write(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, event: str, **facts: object) -> None:
        """Add a line, and have it on disk."""
        self._add({"event": event, **facts})
        with writing(self.path.parent):
            os.fsync(self._file.fileno())

    def done(self, phase: str, key: str, **facts: object) -> None:
        """Remember that something was done; nothing where that is known already."""
        if self.fact(phase, key) != facts:
            self.write("done", phase=phase, key=key, value=facts)

    def fact(self, phase: str, key: str) -> Facts | None:
        """What is known of something that was done; None where it wasn't."""
        return self.state.done.get((phase, key))

    def progress(self, image: str, part: float) -> None:
        """How far the phase is, from 0 to 1; not every word of it is written down."""
        percent = int(100 * min(max(part, 0.0), 1.0))
        now = time.monotonic()
        with self._lock:
            known = (self.state.image, self.state.percent) == (image, percent)
            if known or now - self._said < _EVERY:
                return
            self._said = now
        self._add({"event": "progress", "image": image, "percent": percent})

    def discard(self) -> None:
        """Leave nothing of a run that was the first and has begun nothing."""
        if self.state.runs == 1:
            self.path.unlink(missing_ok=True)
            _lock_path(self.path.parent, self.state.version).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.path.parent.rmdir()

    def _add(self, facts: Facts) -> None:
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts}
        # what a target says may hold what it was told
        text = redact(json.dumps(line, ensure_ascii=False))
        with self._lock, writing(self.path.parent):
            self._file.write(text.encode() + b"\n")
            self.state.take(line)


class _Unwritten(Journal):
    """A journal that only keeps its state."""

    def __init__(self, state: State) -> None:
        self.state = state

    def write(self, event: str, **facts: object) -> None:
        self.state.take({"event": event, **facts})

    def progress(self, image: str, part: float) -> None:
        """Nobody asks."""


def unwritten(version: str) -> Journal:
    """A journal for a run that does nothing: it is written nowhere."""
    return _Unwritten(State(version))


def journal_path(dist: Path, version: str) -> Path:
    """Where the journal of a version lies."""
    return dist / f"release-{version}.jsonl"


def read_state(path: Path) -> State | None:
    """What a journal says; None where there is none."""
    found = _NAME.fullmatch(path.name)
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    state = State(found[1] if found else path.stem)
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):
            event = json.loads(line)
            if isinstance(event, dict):
                state.take(event)
    return state


def states(dist: Path) -> list[State]:
    """What each journal in dist/ says, the one that was written last at the end."""
    found = [read_state(p) for p in sorted(dist.glob("release-*.jsonl"))]
    return sorted((s for s in found if s is not None), key=lambda s: (s.at, s.version))


@contextlib.contextmanager
def open_journal(dist: Path, version: str, commit: str) -> Iterator[Journal]:
    """Hold a version, and go on with its journal (or begin it).

    Raises:
        UserError: another process holds the version; it says which.
    """
    with _held(dist, version) as handle:
        path = journal_path(dist, version)
        state = read_state(path) or State(version)
        job = state.job or secrets.token_hex(4)
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "job": job}
        with writing(dist):
            handle.truncate(0)
            os.pwrite(handle.fileno(), json.dumps(holder).encode() + b"\n", 0)
        with Journal(path, state) as journal:
            journal.write("begin", version=version, commit=commit, **{**holder, "job": job})
            yield journal


@contextlib.contextmanager
def _held(dist: Path, version: str) -> Iterator[IO[bytes]]:
    """The open lock of a version. The kernel lets go of it when its holder dies."""
    end = time.monotonic() + _MOMENT
    while (handle := _claimed(dist, version)) is None:
        if time.monotonic() > end:
            holder = _read_holder(_lock_path(dist, version))
            raise UserError(
                f"{version} is being released already: {holder or 'by another process'}",
                "`lapstrake release status` says how far it is, `release cancel` ends it",
            )
        process.check_stopped()
        time.sleep(0.02)
    with handle:
        yield handle


def _claimed(dist: Path, version: str) -> IO[bytes] | None:
    """The lock, open and ours; None where it is another's."""
    with writing(dist):
        dist.mkdir(parents=True, exist_ok=True)
        handle = _lock_path(dist, version).open("ab+")
    # one that had nothing to leave may have removed it between the two calls
    if _taken(handle.fileno(), fcntl.LOCK_EX) and os.fstat(handle.fileno()).st_nlink:
        return handle
    handle.close()
    return None


def running(dist: Path, version: str) -> Holder | None:
    """Who holds a version now; None where nobody does."""
    path = _lock_path(dist, version)
    try:
        handle = path.open("rb")
    except OSError:
        return None
    with handle:
        if _taken(handle.fileno(), fcntl.LOCK_SH):
            return None
    return _read_holder(path)


def _lock_path(dist: Path, version: str) -> Path:
    return dist / f"release-{version}.lock"


def _taken(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(path: Path) -> Holder | None:
    try:
        said = json.loads(path.read_bytes())
        return Holder(int(said["pid"]), str(said["host"]), str(said["job"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
