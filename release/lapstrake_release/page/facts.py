"""What the page shows, as values: nothing in them knows of HTML, of folders or of registries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lapstrake.definition.models import Service
from lapstrake.inspect.contents import PackageChange
from lapstrake.smoke.report import CheckResult
from lapstrake_release.scan.compare import Risks
from lapstrake_release.scan.model import Findings
from lapstrake_release.verdicts.model import Verdict

MoveKind = Literal["promote", "rollback"]
MoveState = Literal["moving", "done", "undone"]


@dataclass(frozen=True)
class Layer:
    """One distinct blob of the family; sizes are bytes, `images` in the family's order."""

    digest: str
    kind: str
    title: str
    size: int
    unpacked: int
    images: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A line for a shell, and what it is called."""

    label: str
    line: str


@dataclass(frozen=True)
class Image:
    """One image of the family.

    Attributes:
        digest: `sha256:…` of its manifest; `config` that of its config.
        size: compressed bytes of all its blobs; `own` of those that no other image has.
        layers: indices into the page's layers, from the bottom up.
        budget: the most that `size` may be, None where none is stated.
        tags: as build.json has them.
        pulls: how to get it, the safest way first.
        checks: of this very digest; None where it was not tested.
        verdicts: of testers, the earliest first; None where no registry was asked.
        findings: of the last scan that the registry has; None where it has none.
    """

    name: str
    description: str
    extends: str | None
    digest: str
    config: str
    size: int
    own: int
    layers: tuple[int, ...]
    budget: int | None
    python: str | None
    services: tuple[Service, ...]
    tags: tuple[str, ...]
    pulls: tuple[Command, ...]
    checks: tuple[CheckResult, ...] | None
    verdicts: tuple[Verdict, ...] | None = None
    findings: Findings | None = None

    def count(self, verdict: str) -> int:
        """How many checks ended so."""
        return sum(c.verdict == verdict for c in self.checks or ())


@dataclass(frozen=True)
class Move:
    """One move of a channel.

    `version` is what it brought, `before` what was there; empty where that is nothing. A move in
    the state `moving` goes on, or was interrupted; one that was `undone` has changed nothing.
    """

    number: int
    kind: MoveKind
    version: str
    before: str
    at: datetime
    by: str
    why: str
    state: MoveState


@dataclass(frozen=True)
class Held:
    """What a channel has of one image; `digest` is empty where it has none."""

    image: str
    digest: str


@dataclass(frozen=True)
class Channel:
    """One channel.

    Attributes:
        number, version: of its last finished move; 0 and empty before the first.
        images: what its moving tags hold now, in the family's order.
        trouble: what is wrong with it, such as a mixed state; empty where nothing is.
        moves: the newest first; `older` are so many more that are not among them.
    """

    name: str
    number: int
    version: str
    images: tuple[Held, ...]
    trouble: str
    moves: tuple[Move, ...]
    older: int = 0


@dataclass(frozen=True)
class LayerChange:
    """A layer that is new, or (`gone`) was there before; `size` is compressed bytes."""

    title: str
    digest: str
    size: int
    gone: bool


@dataclass(frozen=True)
class ImageChange:
    """How an image differs from the one of its name before.

    `packages` is None where one of the two carries no bill of materials, `risks` where a scan of
    one of the two isn't known.
    """

    name: str
    digest_before: str
    digest: str
    size_before: int
    size: int
    packages: tuple[PackageChange, ...] | None
    layers: tuple[LayerChange, ...]
    risks: Risks | None = None

    @property
    def equal(self) -> bool:
        """Whether it is the same image."""
        return self.digest == self.digest_before

    @property
    def fetched(self) -> int:
        """Compressed bytes that somebody who has the one before has to pull."""
        return sum(x.size for x in self.layers if not x.gone)


@dataclass(frozen=True)
class Changes:
    """Against an earlier build; `added` and `removed` are names of images.

    `scans` tells whether a registry was asked for scans of both.
    """

    against: str
    images: tuple[ImageChange, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    scans: bool = False


@dataclass(frozen=True)
class PageFacts:
    """All of the page.

    Attributes:
        epoch: seconds; the time that every file of the images has.
        engine: what built it, by which version of `lapstrake`; empty where that isn't known.
        tested_by: what ran the containers, empty where none did.
        checked: False where nothing is known of checks, as of images that only a registry has.
        repository: `HOST/PATH` of the registry that was asked, and `read_at` when; None if none.
        channels: in their order; None where no registry was asked, empty where it has none.
        changes: None where there is nothing to compare with.
    """

    family: str
    version: str
    platform: str
    epoch: int
    engine: str
    lapstrake: str
    images: tuple[Image, ...]
    layers: tuple[Layer, ...]
    tested_by: str = ""
    checked: bool = True
    repository: str | None = None
    read_at: datetime | None = None
    channels: tuple[Channel, ...] | None = None
    changes: Changes | None = None

    @property
    def stored(self) -> int:
        """Bytes of the family with each layer once, as a registry keeps it."""
        return sum(x.size for x in self.layers)

    def count(self, verdict: str) -> int:
        """How many checks of all images ended so."""
        return sum(i.count(verdict) for i in self.images)
