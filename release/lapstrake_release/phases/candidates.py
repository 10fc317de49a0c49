"""Phase 3: every image in every registry, under a temporary name, read back and compared."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from lapstrake.dist import BuiltImage
from lapstrake.errors import UserError
from lapstrake.registry.client import sha256_of
from lapstrake.registry.repository import Repository
from lapstrake.report.progress import Progress
from lapstrake_release.job import Job, Meter, Registries
from lapstrake_release.names import Names as Registry
from lapstrake_release.phases.check import names_in
from lapstrake_release.places import Names, candidate_names


@dataclass(frozen=True)
class _Blob:
    """One blob to send; `image` is the first that has it, `title` what is in it."""

    digest: str
    size: int
    image: str
    title: str


def push_candidates(job: Job) -> None:
    """Have every image under its candidate's name in every registry, and all that it is made of.

    Raises:
        UserError: a registry refuses, or holds something else than what was sent.
    """
    if not job.targets.registries:
        return
    names = names_in(job.built, job.version.ours)
    with job.registries() as registries:
        job.number = _number(job, registries, names)
        pushing = _Pushing(job, registries)
        pushing.blobs()
        works = [
            functools.partial(pushing.candidate, registry, image, name)
            for registry in registries
            for image, name in zip(job.built.images, names, strict=True)
        ]
        registries.all_at_once(works)


def manifest_in(dist: Path, image: BuiltImage) -> bytes:
    """An image's manifest in dist/.

    Raises:
        UserError: it is missing or damaged.
    """
    path = dist / "blobs/sha256" / image.digest.removeprefix("sha256:")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}", "build it again") from None
    if sha256_of(data) != image.digest:
        raise UserError(f"{path} isn't what its name says", "build it again")
    return data


def _number(job: Job, registries: Registries, names: list[Names]) -> int:
    """The candidates' number: the lowest that holds nothing else than what is to be pushed.

    So a run that goes on after another finds the names that the other gave.
    """
    version = job.version.ours
    wanted = {n.candidate(version, 1): n.digest for n in names}
    taken: set[int] = set()

    def look(registry: Registry) -> None:
        for name, number in list(candidate_names(registry.names(), version)):
            first = name.replace(f"-candidate.{number}", "-candidate.1", 1)
            if registry.digest(name) != wanted.get(first):
                taken.add(number)

    registries.all_at_once([functools.partial(look, r) for r in registries])
    return next(n for n in range(1, len(taken) + 2) if n not in taken)


class _Pushing:
    """One push to all registries."""

    def __init__(self, job: Job, registries: Registries) -> None:
        self._job = job
        self._registries = registries
        self._lock = threading.Lock()
        self._blobs = _blobs_of(job)
        total = sum(b.size for b in self._blobs) * len(job.targets.registries)
        self._meter = Meter(job.journal, total)

    def blobs(self) -> None:
        """Have every blob in every registry.

        A second repository of one registry takes them from the first: they aren't sent again.
        """
        repositories = sorted(self._job.targets.registries, key=lambda r: r.host)
        by_host = [list(group) for _, group in groupby(repositories, key=lambda r: r.host)]
        for turn in range(max(map(len, by_host))):
            chosen = [(g[turn], g[0].path if turn else "") for g in by_host if turn < len(g)]
            works = [functools.partial(self._blob, b, *c) for b in self._blobs for c in chosen]
            self._registries.all_at_once(works)

    def candidate(self, registry: Registry, image: BuiltImage, names: Names) -> None:
        """Give one image its temporary name, and read it back with all that it names."""
        version = self._job.version.ours
        name = names.candidate(version, self._job.number)
        place = f"{registry.repository}:{name}"
        manifest = manifest_in(self._job.dist, image)
        if registry.holder(name) != manifest:
            registry.put_manifest(name, manifest)
        if registry.holder(name) != manifest:
            raise UserError(
                f"{place} isn't what was pushed", "does something else push to it? start again"
            )
        self._check_blobs(registry, manifest, place)
        self._job.journal.done("candidates", place, digest=image.digest, image=image.name)

    def _check_blobs(self, registry: Registry, manifest: bytes, place: str) -> None:
        said = json.loads(manifest)
        for part in (said["config"], *said["layers"]):
            size = registry.blob_size(part["digest"])
            if size != part["size"]:
                has = "lacks" if size is None else f"has {size} bytes for"
                raise UserError(f"{place}: the registry {has} {part['digest']}", "start again")

    def _blob(self, blob: _Blob, repository: Repository, source: str) -> None:
        path = self._job.dist / "blobs/sha256" / blob.digest.removeprefix("sha256:")
        shown = _Shown(self._job.progress, blob, repository)

        def tick(count: int) -> None:
            shown.tick(count)
            self._meter.add(blob.image, count)

        try:
            sent = self._registries[repository].upload(blob.digest, path, tick, source)
        except BaseException:
            shown.finish("failed")
            raise
        shown.finish()
        self._meter.add(blob.image, blob.size - shown.counted)
        with self._lock:
            self._job.sent.blobs += sent
            self._job.sent.bytes += blob.size if sent else 0


class _Shown:
    """The step of one blob, which begins with the first byte that is sent: most are there."""

    def __init__(self, progress: Progress, blob: _Blob, repository: Repository) -> None:
        self._progress = progress
        self._blob = blob
        self._host = repository.host
        self._key = f"{repository} {blob.digest}"
        self.counted = 0

    def tick(self, count: int) -> None:
        """More bytes are sent."""
        if not self.counted:
            title = f"push   {self._blob.title} → {self._host}"
            self._progress.start(self._key, title, self._blob.size)
        self.counted += count
        self._progress.advance(self._key, count)

    def finish(self, outcome: str = "done") -> None:
        """Nothing more is sent."""
        self._progress.finish(self._key, outcome)


def _blobs_of(job: Job) -> list[_Blob]:
    """Every distinct blob of all images, the largest first."""
    found: dict[str, _Blob] = {}
    for image in job.built.images:
        titles = {x.digest: x.title for x in image.layers}
        for digest, size in _parts(job, image):
            title = titles.get(digest, f"config of {image.name}")
            found.setdefault(digest, _Blob(digest, size, image.name, title))
    return sorted(found.values(), key=lambda b: (-b.size, b.digest))


def _parts(job: Job, image: BuiltImage) -> Iterable[tuple[str, int]]:
    said = json.loads(manifest_in(job.dist, image))
    return [(str(p["digest"]), int(p["size"])) for p in (said["config"], *said["layers"])]
