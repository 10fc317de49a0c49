"""What a release is made of, as values: what its phases find out and hand to what they publish.

Nothing here is secret, and nothing depends on the machine but the paths of files in dist/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["wheel", "sdist"]
DraftState = Literal["created", "updated", "unchanged", "none"]


@dataclass(frozen=True)
class ImageFacts:
    """One image of the release.

    Attributes:
        name: what the family calls it.
        description: one line, from its definition; may be empty.
        digest: `sha256:…` of its manifest; `config` that of its config.
        size: bytes of its blobs as they are stored and pulled.
        layers: how many it has.
        tags: its public names without a repository, the version's first.
        references: `HOST/PATH:TAG` of every tag in every registry; by registry, then as `tags`.
        pinned: `HOST/PATH@sha256:…`, one a registry: what a deployment names.
        python: `3.x`; None where it has none.
        ports: what its services declare, sorted.
        sbom: the path in the image of its SPDX document; empty where it has none.
    """

    name: str
    description: str
    digest: str
    config: str
    size: int
    layers: int
    tags: tuple[str, ...]
    references: tuple[str, ...]
    pinned: tuple[str, ...]
    python: str | None = None
    ports: tuple[int, ...] = ()
    sbom: str = ""


@dataclass(frozen=True)
class FileFacts:
    """One wheel or source archive.

    Attributes:
        path: where it lies (in dist/).
        project: its project's normalised name; `version` as its file name has it.
        sha256: hexadecimal, without a prefix.
        size: bytes.
        urls: its project's page, one for each index that it was uploaded to.
    """

    path: Path
    kind: Kind
    project: str
    version: str
    sha256: str
    size: int
    urls: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name


@dataclass(frozen=True)
class SmokeFacts:
    """How many checks of one image had which verdict, in dist/smoke.json."""

    image: str
    digest: str
    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True)
class ReleaseFacts:
    """All of a release, once its public names stand.

    Attributes:
        family: the family's name; `version` as Lapstrake writes it (`1.2.0.rc1`).
        git_tag: the tag that publishing the draft makes (`v1.2.0`).
        prerelease: whether the version is a candidate or a development one.
        commit: the full hash that everything was built from.
        dist: the folder of the build: an OCI layout, build.json, smoke.json, wheels/, sdists/.
        platform: `linux/amd64`; `epoch` in seconds, which every file of the images has.
        engine: what built it; `lapstrake` the version that did.
        job: the release's id.
        wheels, sdists: sorted by file name.
        evidence: more files to publish beside it (deploy files, …), sorted.
    """

    family: str
    version: str
    git_tag: str
    prerelease: bool
    commit: str
    dist: Path
    platform: str
    epoch: int
    engine: str
    lapstrake: str
    job: str
    images: tuple[ImageFacts, ...]
    wheels: tuple[FileFacts, ...]
    sdists: tuple[FileFacts, ...]
    smoke: tuple[SmokeFacts, ...] = ()
    evidence: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[FileFacts, ...]:
        """The wheels and the source archives, sorted by file name."""
        return tuple(sorted((*self.wheels, *self.sdists), key=lambda f: f.name))

    @property
    def published(self) -> tuple[Path, ...]:
        """Every file of the draft, sorted."""
        return tuple(sorted({*(f.path for f in self.files), *self.evidence}))


@dataclass(frozen=True)
class AssetFacts:
    """One file of a draft release; `sent` is whether this run uploaded it."""

    name: str
    sha256: str
    size: int
    sent: bool


@dataclass(frozen=True)
class DraftResult:
    """What became of the draft; `url` is its page, empty where GitHub is not configured."""

    state: DraftState
    url: str = ""
    id: int = 0
    assets: tuple[AssetFacts, ...] = ()
