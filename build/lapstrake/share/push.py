"""Layers out of the cache into a repository."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, field

from lapstrake.layers.kinds import Layer
from lapstrake.plan.model import Plan
from lapstrake.registry.client import Damaged, RegistryClient, sha256_of
from lapstrake.registry.repository import Repository
from lapstrake.report.progress import Progress
from lapstrake.share.artifact import Artifact, Unfit, config_of, pack, unpack
from lapstrake.share.transfers import all_at_once
from lapstrake.store.records import Blob, LayerRecord
from lapstrake.store.store import Store
from lapstrake.store.use import in_use


@dataclass
class Pushed:
    """What became of a plan's layers, by number; `bytes` are those of blobs that travelled.

    `there` are those that the repository had, `lacking` those of the images that the cache hasn't;
    `other` are the titles of those that are there with other bytes than ours, and stay.
    """

    sent: int = 0
    there: int = 0
    lacking: int = 0
    bytes: int = 0
    other: list[str] = field(default_factory=list)


def push(plan: Plan, store: Store, repository: Repository, progress: Progress) -> Pushed:
    """Have every layer of the plan that the cache has in the repository.

    A layer is visible there when it is whole. One that is there already stays, even where it has
    other bytes (it isn't reproducible then, and others may use it); one whose record isn't that of
    the layer is replaced.

    Args:
        plan: whose layers, and those that they are made from.
        store: has them.
        repository: takes them.
        progress: shows each blob.

    Raises:
        UserError: the registry can't be reached, or refuses. What was pushed stays.
    """
    with in_use(store), RegistryClient(repository) as client:
        pushing = _Pushing(client, store, progress)
        of_images = {layer.id for image in plan.images for layer in image.layers}
        all_at_once([functools.partial(pushing.examine, x) for x in plan.layers], client.end)
        all_at_once(pushing.uploads(), client.end)
        pushing.summary.lacking = len(pushing.lacking & of_images)
    return pushing.summary


class _Pushing:
    """The layers of one push: first it is seen which are there, then blobs go, the largest first.

    A layer's manifest goes with the last of its blobs.
    """

    def __init__(self, client: RegistryClient, store: Store, progress: Progress) -> None:
        self.summary = Pushed()
        self.lacking: set[str] = set()
        self._client = client
        self._store = store
        self._progress = progress
        self._lock = threading.Lock()
        self._titles: dict[str, str] = {}
        self._blobs: dict[str, Blob] = {}
        self._waiting: dict[str, set[str]] = {}
        self._artifacts: dict[str, Artifact] = {}

    def examine(self, layer: Layer) -> None:
        """Is the layer in the cache, and in the repository?"""
        record = self._store.record(layer.id)
        artifact = pack(record) if record else None
        there = self._is_there(layer, record, artifact) if record and artifact else False
        with self._lock:
            if record is None or artifact is None:
                self.lacking.add(layer.id)
            elif there:
                self.summary.there += 1
            else:
                self._artifacts[layer.id] = artifact
                self._waiting[layer.id] = {b.digest for b in record.blobs}
                for blob in record.blobs:
                    self._blobs[blob.digest] = blob
                    self._titles.setdefault(blob.digest, f"{layer.kind:<6} {layer.title}")

    def _is_there(self, layer: Layer, ours: LayerRecord, artifact: Artifact) -> bool:
        manifest = self._client.manifest(artifact.tag)
        if manifest is None or manifest == artifact.manifest:
            return manifest is not None
        try:
            config = config_of(manifest)
            theirs = unpack(layer, manifest, self._client.small_blob(config.digest, config.size))
        except (Unfit, Damaged):
            return False
        if theirs.blobs != ours.blobs:
            with self._lock:
                self.summary.other.append(layer.title)
        return True

    def uploads(self) -> list[functools.partial[None]]:
        """What is to be sent, the largest first."""
        self.summary.other.sort()
        blobs = sorted(self._blobs.values(), key=lambda b: (-b.size, b.digest))
        return [functools.partial(self._upload, blob) for blob in blobs]

    def _upload(self, blob: Blob) -> None:
        def tick(count: int) -> None:
            self._progress.advance(blob.digest, count)

        with self._progress.step(blob.digest, f"push {self._titles[blob.digest]}", blob.size):
            sent = self._client.upload(blob.digest, self._store.blob(blob.digest), tick)
        with self._lock:
            self.summary.bytes += blob.size if sent else 0
            ready = [key for key, left in self._waiting.items() if left == {blob.digest}]
            for left in self._waiting.values():
                left.discard(blob.digest)
        for layer_id in ready:
            self._finish(self._artifacts[layer_id])

    def _finish(self, artifact: Artifact) -> None:
        self._client.upload(sha256_of(artifact.config), artifact.config)
        self._client.put_manifest(artifact.tag, artifact.manifest)
        with self._lock:
            self.summary.sent += 1
