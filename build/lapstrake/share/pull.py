"""Layers out of a repository into the cache.

Nothing there is believed. A record has to be that of the layer that is asked for, with the inputs
that the plan has, and every blob has to have the digest, the size, the diffID and the table of
contents that the record says. What is left to trust is that whoever may write to the repository
made those bytes of these inputs.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.layers.kinds import Layer
from lapstrake.layers.table import read_table
from lapstrake.layers.tarread import open_layer
from lapstrake.plan.model import Plan, direct_needs
from lapstrake.registry.client import Damaged, RegistryClient
from lapstrake.registry.repository import Repository
from lapstrake.report.progress import Progress
from lapstrake.share.artifact import Unfit, config_of, tag_of, unpack
from lapstrake.share.transfers import all_at_once
from lapstrake.store.intact import check_file
from lapstrake.store.records import Blob, LayerRecord
from lapstrake.store.store import Store, file_system_errors
from lapstrake.store.sweep import sweep
from lapstrake.store.use import in_use

_READ = 1 << 20


@dataclass
class Fetched:
    """What became of a plan's layers; `bytes` are those that travelled.

    Attributes:
        pulled: the number of layers that came.
        there: the number of those that the cache had.
        missing: the titles of those that the repository lacks.
        refused: title and reason of those that aren't what they should be.
        bytes: of blobs.
    """

    pulled: int = 0
    there: int = 0
    missing: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    bytes: int = 0


def pull(plan: Plan, store: Store, repository: Repository, progress: Progress) -> Fetched:
    """Have the layers of the plan's images in the cache, as far as the repository has them.

    Of what can't be had, that is asked for which it is made from: just what a build would need.

    Raises:
        UserError: the registry can't be reached, or refuses. What came before stays.
    """
    with in_use(store), RegistryClient(repository) as client:
        sweep(store)
        pulling = _Pulling(client, store, progress)
        seen: set[str] = set()
        asked = [layer for image in plan.images for layer in image.layers]
        while asked:
            distinct = {layer.id: layer for layer in asked if layer.id not in seen}
            seen |= distinct.keys()
            lacking = [x for x in distinct.values() if store.record(x.id) is None]
            pulling.summary.there += len(distinct) - len(lacking)
            pulling.round(lacking)
            left = [x for x in lacking if x.id not in pulling.done]
            asked = [needed for layer in left for needed in direct_needs(layer)]
    pulling.summary.missing.sort()
    pulling.summary.refused.sort()
    return pulling.summary


class _Pulling:
    """The layers of one pull; `done` are the ids of those that came."""

    def __init__(self, client: RegistryClient, store: Store, progress: Progress) -> None:
        self.summary = Fetched()
        self.done: set[str] = set()
        self._client = client
        self._store = store
        self._progress = progress
        self._lock = threading.Lock()
        self._records: dict[str, LayerRecord] = {}
        self._waiting: dict[str, set[Blob]] = {}

    def round(self, layers: Iterable[Layer]) -> None:
        """Ask for layers, then have their blobs, the largest first."""
        all_at_once([functools.partial(self._ask, x) for x in layers], self._client.end)
        blobs = {blob for left in self._waiting.values() for blob in left}
        ordered = sorted(blobs, key=lambda b: (-b.size, b.digest, b.diff_id))
        all_at_once([functools.partial(self._have, b) for b in ordered], self._client.end)

    def _ask(self, layer: Layer) -> None:
        manifest = self._client.manifest(tag_of(layer.id))
        if manifest is None:
            with self._lock:
                self.summary.missing.append(layer.title)
            return
        try:
            config = config_of(manifest)
            data = self._client.small_blob(config.digest, config.size)
            record = unpack(layer, manifest, data)
        except (Unfit, Damaged) as error:
            self._refuse(layer.title, error)
            return
        with self._lock:
            self._records[layer.id] = record
            self._waiting[layer.id] = set(record.blobs)

    def _have(self, blob: Blob) -> None:
        """Have a blob, and remember each layer of which it is the last."""
        with self._lock:
            users = [self._records[key] for key, left in self._waiting.items() if blob in left]
        if not users:
            # another blob of its layers is bad
            return
        title = f"pull {users[0].kind:<6} {users[0].title}"
        try:
            with self._progress.step(blob.digest, title, blob.size):
                self._fetch(blob)
        except (Unfit, Damaged) as error:
            for record in users:
                self._refuse(record.title, error)
                with self._lock:
                    self._waiting.pop(record.id, None)
            return
        self._fetched(blob)

    def _fetched(self, blob: Blob) -> None:
        with self._lock:
            for left in self._waiting.values():
                left.discard(blob)
            ready = [key for key, left in self._waiting.items() if not left]
            for layer_id in ready:
                del self._waiting[layer_id]
        for layer_id in ready:
            self._store.commit(self._records[layer_id])
        with self._lock:
            self.done |= set(ready)
            self.summary.pulled += len(ready)

    def _fetch(self, blob: Blob) -> None:
        """Have a blob in the cache, and know that it is what its record says."""
        name = blob.digest.removeprefix("sha256:")
        # others who pull it wait, and find it
        with self._store.locked(f"blob-{name}"), file_system_errors(self._store.root):
            if self._store.holds(blob):
                check_file(self._store.blob(blob.digest), name)
                check_content(self._store.blob(blob.digest), blob)
                return
            with self._store.scratch("pull") as folder:
                staged = folder / name
                with staged.open("wb") as file:
                    self._client.download(blob.digest, blob.size, file, self._tick(blob))
                check_content(staged, blob)
                self._store.adopt(staged, blob.digest)
        with self._lock:
            self.summary.bytes += blob.size

    def _tick(self, blob: Blob) -> functools.partial[None]:
        return functools.partial(self._progress.advance, blob.digest)

    def _refuse(self, title: str, error: UserError) -> None:
        with self._lock:
            self.summary.refused.append((title, error.message))


def check_content(path: Path, blob: Blob) -> None:
    """Is what a record says of a blob's content true?

    Raises:
        Unfit: it isn't, or the blob can't be read. No more is inflated than the record says.
    """
    try:
        diff_id, size = _inflated(path, blob.unpacked)
        # looked for only in a blob that has just the bytes that it should
        right = diff_id == blob.diff_id and blob.toc
        table = read_table(path) if right else b""
    except process.Stopped:
        raise
    except UserError as error:
        raise Unfit("its blob is no layer") from error
    toc = f"sha256:{hashlib.sha256(table).hexdigest()}" if table else ""
    for what, found, said in (
        ("unpacked size", str(size), str(blob.unpacked)),
        ("diffID", diff_id, blob.diff_id),
        ("table of contents", toc, blob.toc),
    ):
        if found != said:
            raise Unfit(f"its blob has another {what} than its record says")


def _inflated(path: Path, most: int) -> tuple[str, int]:
    """The diffID of a layer and the bytes of its tar; of the beginning, where it has too many."""
    hashing, size = hashlib.sha256(), 0
    with open_layer(path) as stream:
        while (piece := stream.read(_READ)) and size <= most:
            process.check_stopped()
            hashing.update(piece)
            size += len(piece)
    return f"sha256:{hashing.hexdigest()}", size
