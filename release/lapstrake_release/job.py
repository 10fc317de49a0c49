"""One run of a release: what its phases know in common."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lapstrake.definition.repository import Repository as Definition
from lapstrake.dist import Build
from lapstrake.registry.repository import Repository
from lapstrake.report.progress import Progress
from lapstrake.share.transfers import all_at_once
from lapstrake.version import Version
from lapstrake_release.facts import DraftResult, FileFacts
from lapstrake_release.journal import Journal
from lapstrake_release.names import Names as Registry
from lapstrake_release.places import Place
from lapstrake_release.targets import Targets

PHASES = ("check", "build", "candidates", "wheels", "names", "draft", "finally")


@dataclass(frozen=True)
class Options:
    """How a release is made.

    Attributes:
        engine: what builds; None for what fits where this runs.
        jobs: layers at a time.
        prebuilt: publish what dist/ holds, instead of building.
        snapshot: on this machine alone: the checkout may be as it is.
    """

    engine: str | None = None
    jobs: int = 2
    prebuilt: bool = False
    snapshot: bool = False


@dataclass
class Sent:
    """What travelled in this run."""

    blobs: int = 0
    bytes: int = 0
    files: int = 0
    names: int = 0


@dataclass
class Job:
    """One run.

    Attributes:
        definition: the repository, already with the version that is released.
        dist: the folder of the build.
        commit: the full hash of what is checked out; empty for a snapshot of no checkout.
        journal: what was done, also by runs before this one.
        build: what dist/ holds, once that is known; `files` its wheels and source archives.
        number: of the candidates, once it is chosen; `places` the public names that were given.
        sent: blobs and files that this run uploaded, and their bytes.
        remarks: lines for the summary that are no failures.
    """

    version: Version
    definition: Definition
    dist: Path
    commit: str
    targets: Targets
    options: Options
    journal: Journal
    progress: Progress
    build: Build | None = None
    files: tuple[FileFacts, ...] = ()
    number: int = 0
    places: tuple[Place, ...] = ()
    draft: DraftResult = field(default_factory=lambda: DraftResult("none"))
    sent: Sent = field(default_factory=Sent)
    remarks: list[str] = field(default_factory=list)

    @property
    def built(self) -> Build:
        """What dist/ holds.

        Raises:
            RuntimeError: the phase that finds out hasn't run.
        """
        if self.build is None:
            msg = "nothing is known of dist/ yet"
            raise RuntimeError(msg)
        return self.build

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Write down when a phase begins, and how long it takes."""
        began = time.monotonic()
        self.journal.write("phase", phase=name)
        yield
        self.journal.write("over", phase=name, seconds=round(time.monotonic() - began, 3))

    def remark(self, text: str) -> None:
        """A line for the summary, once."""
        if text not in self.remarks:
            self.remarks.append(text)

    @contextlib.contextmanager
    def registries(self) -> Iterator[Registries]:
        """Clients of all registries as long as the context lasts."""
        with contextlib.ExitStack() as stack:
            clients = {r: stack.enter_context(Registry(r)) for r in self.targets.registries}
            yield Registries(clients)


class Registries:
    """A client for each repository; what is done for all of them is done at once."""

    def __init__(self, clients: dict[Repository, Registry]) -> None:
        self._clients = clients

    def __getitem__(self, repository: Repository) -> Registry:
        return self._clients[repository]

    def __iter__(self) -> Iterator[Registry]:
        return iter(self._clients.values())

    def end(self) -> None:
        """Let all give up."""
        for client in self._clients.values():
            client.end()

    def all_at_once(self, works: Iterable[Callable[[], None]]) -> None:
        """Run all, some at a time; see `all_at_once`."""
        all_at_once(works, self.end)


class Meter:
    """How far a phase is, in bytes or things; from several threads."""

    def __init__(self, journal: Journal, total: int) -> None:
        self._journal = journal
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def add(self, image: str, count: int) -> None:
        """`count` more are done (or fewer, where something begins again), last for `image`."""
        with self._lock:
            self._done += count
            part = self._done / self._total if self._total else 1.0
        self._journal.progress(image, part)

    def adding(self, image: str) -> Callable[[int], None]:
        """`add` for one image."""
        return functools.partial(self.add, image)
