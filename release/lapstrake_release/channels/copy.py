"""A version from one repository into another: its blobs, its names, and what testers said of it.

Blobs that the other one has aren't sent; in the same registry it takes them from the first by
itself. All others go through a file here, once each, and both ends check them by their digest.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake.report.progress import Progress
from lapstrake.share.transfers import all_at_once
from lapstrake.store.scratch import temporary_folder
from lapstrake_release.beside.artifact import Artifact, Subject
from lapstrake_release.channels.family import Family
from lapstrake_release.channels.record import Held
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.problems import Problems
from lapstrake_release.scan.model import KIND as SCAN
from lapstrake_release.verdicts.model import KIND as VERDICT

_CREATED = "org.opencontainers.image.created"


@dataclass(frozen=True)
class _Blob:
    digest: str
    size: int
    image: str


def check_names(target: ChannelRegistry, family: Family) -> None:
    """See that no name of a version holds something else in the other repository.

    Raises:
        UserError: one does, and a version that is no pre-release never moves.
    """
    if family.version.is_prerelease:
        return
    problems = Problems()
    now = target.each(family.images, lambda i: target.digest(_name(family, i)))
    for image, digest in zip(family.images, now, strict=True):
        with problems.collected():
            if digest not in {"", image.digest}:
                raise UserError(
                    f"{target.repository}:{_name(family, image)} is {digest[:19]}…, "
                    f"not {image.digest[:19]}…",
                    f"two different images are called {family.version}: one is wrong",
                )
    problems.check()


def copy_family(
    source: ChannelRegistry, target: ChannelRegistry, family: Family, progress: Progress
) -> int:
    """Have a version in another repository; the bytes of the blobs that were sent.

    Raises:
        UserError: a registry refuses, or can't be reached.
    """
    check_names(target, family)
    sent = _Sending(source, target, progress).send(_blobs(family))
    for plain in (False, True):
        # the plain version last: whoever finds it finds all the others
        some = [i for i in family.images if (not i.suffix) is plain]
        target.each(some, functools.partial(_give, target, family))
    target.each(family.images, functools.partial(_check, target, family))
    _copy_beside(source, target, family)
    return sent


class _Sending:
    def __init__(
        self, source: ChannelRegistry, target: ChannelRegistry, progress: Progress
    ) -> None:
        self._source, self._target = source, target
        self._progress = progress
        self._is_near = source.repository.host == target.repository.host
        self._lock = threading.Lock()
        self._sent = 0

    def send(self, blobs: Iterable[_Blob]) -> int:
        """Have all of them there; the bytes that had to be sent."""
        with temporary_folder("promote") as folder:
            works = [functools.partial(self._one, b, folder) for b in blobs]
            all_at_once(works, self._end)
        return self._sent

    def _end(self) -> None:
        self._source.end()
        self._target.end()

    def _one(self, blob: _Blob, folder: Path) -> None:
        if self._target.has_blob(blob.digest):
            return
        if self._is_near and self._target.mount(blob.digest, self._source.repository.path):
            return
        title = f"copy   {blob.image} {blob.digest[7:19]} → {self._target.repository.host}"
        with self._progress.step(blob.digest, title):
            path = folder / blob.digest.removeprefix("sha256:")
            with path.open("wb") as file:
                self._source.download(blob.digest, blob.size, file)
            sent = self._target.upload(blob.digest, path)
            path.unlink()
        with self._lock:
            self._sent += blob.size if sent else 0


def _blobs(family: Family) -> list[_Blob]:
    """Every distinct blob, the largest first."""
    found: dict[str, _Blob] = {}
    for image in family.images:
        said = json.loads(family.manifests[image.digest])
        for part in (said["config"], *said["layers"]):
            digest, size = str(part["digest"]), int(part["size"])
            found.setdefault(digest, _Blob(digest, size, image.name))
    return sorted(found.values(), key=lambda b: (-b.size, b.digest))


def _name(family: Family, image: Held) -> str:
    return f"{family.version.ours}{image.suffix}"


def _give(target: ChannelRegistry, family: Family, image: Held) -> None:
    target.put_manifest(_name(family, image), family.manifests[image.digest], image.media_type)


def _check(target: ChannelRegistry, family: Family, image: Held) -> None:
    now = target.digest(_name(family, image))
    if now != image.digest:
        raise UserError(
            f"{target.repository}:{_name(family, image)} is {now or 'missing'} after it was "
            f"given, not {image.digest}",
            "does something else push to it?",
        )


def _copy_beside(source: ChannelRegistry, target: ChannelRegistry, family: Family) -> None:
    """Verdicts and findings: the next channel there may ask for them."""
    digests = {i.digest for i in family.images}
    for kind in (VERDICT, SCAN):
        for subject, artifacts in source.attached(digests, kind).items():
            for found in artifacts:
                said = json.loads(source.holder(found.digest) or b"{}")
                created = str((said.get("annotations") or {}).get(_CREATED, ""))
                about = Subject.of(family.manifests[subject])
                target.attach(Artifact(kind, about, found.content, created))
