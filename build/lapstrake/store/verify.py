"""Is everything in the cache what its name says?"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import re
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lapstrake import process
from lapstrake.engines.schedule import Task, run_tasks
from lapstrake.errors import UserError
from lapstrake.layers.table import read_table
from lapstrake.layers.tarread import open_layer
from lapstrake.store.contents import PARTS, Contents, Entry, Known, read_contents
from lapstrake.store.gc import remove_entries
from lapstrake.store.records import Blob
from lapstrake.store.store import Store, writing
from lapstrake.store.verify_trees import difference

_READ = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class Fault:
    """One bad thing; `what` is said after its part and name."""

    part: str
    name: str
    what: str
    path: Path

    def __str__(self) -> str:
        return f"{self.part}/{self.name}: {self.what}"


@dataclass(frozen=True)
class Verdict:
    """What was looked at (`checked`: number by part), and all that is bad, sorted."""

    checked: dict[str, int]
    faults: tuple[Fault, ...]


def verify(store: Store, jobs: int) -> Verdict:
    """Hash everything again, and compare unpacked trees with their layers.

    A tree of no known layer is not looked at: nothing is made of it, and `gc` removes it.
    """
    contents = read_contents(store)
    found = _Verification(contents)
    checks = list(found.checks())
    tasks = [Task(key, check, frozenset(), weight) for key, check, weight in checks]
    run_tasks(tasks, jobs)
    faults = [*found.faults, *_record_faults(contents)]
    checked = {p: len(contents.part(p)) for p in reversed(PARTS)} | {"trees": found.trees}
    return Verdict(checked | {"records": len(contents.records)}, tuple(sorted(faults)))


def repair(store: Store, verdict: Verdict) -> int:
    """Remove what is bad, and what was made of it; the number of things.

    The caller has the cache alone. The next build makes again what it needs.
    """
    bad = {f.path for f in verdict.faults}
    contents = read_contents(store)
    blobs = {e.name for e in contents.part("blobs") if e.path in bad}
    records = [k for k in contents.records if k.path in bad or _names(k) & blobs]
    # what a bad blob was unpacked to may be as bad
    diffs = {b.diff_id.removeprefix("sha256:") for k in records for b in _blobs(k)}
    bad |= {e.path for e in contents.part("trees") if e.hash in diffs}
    with writing(store.root):
        for known in records:
            known.path.unlink(missing_ok=True)
    rest = sorted(bad - {k.path for k in records})
    remove_entries(store, rest)
    return len(records) + len(rest)


def _blobs(known: Known) -> tuple[Blob, ...]:
    return known.record.blobs if known.record else ()


def _names(known: Known) -> set[str]:
    return {b.digest.removeprefix("sha256:") for b in _blobs(known)}


def _record_faults(contents: Contents) -> Iterator[Fault]:
    sizes = {e.name: sum(e.files.values()) for e in contents.part("blobs")}
    for known in contents.records:
        name, path = known.path.name, known.path
        if known.record is None:
            yield Fault("layers", name, "is no record", path)
        elif known.record.id != known.path.stem:
            yield Fault("layers", name, f"is the record of {known.record.id}", path)
        for digest in sorted(_names(known) - sizes.keys()):
            yield Fault("layers", name, f"its blob {digest} is missing", path)


class _Verification:
    """The checks of a cache's files, and what they found; checks run in several threads."""

    def __init__(self, contents: Contents) -> None:
        self.faults: list[Fault] = []
        self._contents = contents
        self._lock = threading.Lock()
        self._blobs: dict[str, Blob] = {}
        self._downloads: set[str] = set()
        self._layers: dict[str, Path] = {}
        paths = {e.name: e.path for e in contents.part("blobs")}
        for known in contents.records:
            self._blobs |= {b.digest.removeprefix("sha256:"): b for b in _blobs(known)}
            self._downloads |= set(known.downloads)
            for blob in _blobs(known):
                if path := paths.get(blob.digest.removeprefix("sha256:")):
                    self._layers[blob.diff_id.removeprefix("sha256:")] = path

    @property
    def trees(self) -> int:
        """How many trees are of a known layer."""
        return sum(e.hash in self._layers for e in self._contents.part("trees"))

    def checks(self) -> Iterator[tuple[str, Callable[[], None], int]]:
        """A key, a check and its bytes, for each entry."""
        kinds = {
            "blobs": self._blob,
            "bytecode": self._bytecode,
            "wheels": self._wheel,
            "debs": self._deb,
            "inflated": self._inflated,
            "images": self._image,
            "trees": self._tree,
        }
        for entry in self._contents.entries:
            if check := kinds.get(entry.part):
                work = partial(self._try, check, entry)
                yield f"{entry.part}/{entry.name}", work, sum(entry.files.values())

    def _try(self, check: Callable[[Entry], None], entry: Entry) -> None:
        try:
            check(entry)
        except OSError as error:
            self._bad(entry, f"can't be read: {error.strerror}")

    def _bad(self, entry: Entry, what: str) -> None:
        with self._lock:
            self.faults.append(Fault(entry.part, entry.name, what, entry.path))

    def _blob(self, entry: Entry) -> None:
        if entry.name != entry.hash:
            self._bad(entry, "is no blob")
        elif (found := _sha256(entry.path)) != entry.hash:
            self._bad(entry, f"its bytes have the digest sha256:{found}")
        elif blob := self._blobs.get(entry.name):
            self._described(entry, blob)

    def _described(self, entry: Entry, blob: Blob) -> None:
        """The bytes are right; is what the record says of them?"""
        try:
            diff, unpacked = _unpacked(entry.path)
            table = read_table(entry.path)
        except UserError as error:
            self._bad(entry, error.message)
            return
        size = entry.path.stat().st_size
        toc = f"sha256:{hashlib.sha256(table).hexdigest()}" if table else ""
        for what, found, said in (
            ("size", size, blob.size),
            ("diffID", f"sha256:{diff}", blob.diff_id),
            ("unpacked size", unpacked, blob.unpacked),
            ("table of contents", toc if blob.toc else "", blob.toc),
        ):
            if found != said:
                self._bad(entry, f"its {what} is {found}, its record says {said}")

    def _wheel(self, entry: Entry) -> None:
        files = [p for p in sorted(entry.path.iterdir()) if not p.name.startswith(".")]
        for path in files:
            if _sha256(path) == entry.hash or self._was_built(entry, path):
                continue
            self._bad(entry, f"{path.name} has other bytes than its hash says")

    def _was_built(self, entry: Entry, path: Path) -> bool:
        """Whether it was built here, and is whole: such lie under the hash of their inputs.

        A project of the repository has its source archive beside its wheel.
        """
        if entry.hash in self._downloads or len(list(entry.path.glob("*.whl"))) != 1:
            return False
        return _is_whole_gzip(path) if path.suffix == ".gz" else _is_whole_zip(path)

    def _bytecode(self, entry: Entry) -> None:
        if not _is_whole_zip(entry.path):
            self._bad(entry, "is no intact zip")

    def _deb(self, entry: Entry) -> None:
        if entry.name != f"{entry.hash}.deb" or _sha256(entry.path) != entry.hash:
            self._bad(entry, "has other bytes than its hash says")

    def _inflated(self, entry: Entry) -> None:
        if not all(_sha256(path) == path.stem for path in entry.path.iterdir()):
            self._bad(entry, "has other bytes than its hash says")

    def _tree(self, entry: Entry) -> None:
        if blob := self._layers.get(entry.hash):
            # a damaged layer is a fault of its own, and takes its trees with it
            with contextlib.suppress(UserError):
                if what := difference(entry.path, blob):
                    self._bad(entry, what)

    def _image(self, entry: Entry) -> None:
        for path in sorted(entry.path.iterdir()):
            is_blob = _SHA256.fullmatch(path.name) is not None
            if is_blob and _sha256(path) != path.name:
                self._bad(entry, f"its blob {path.name} has other bytes")
        if not (entry.path / "manifest.json").is_file():
            self._bad(entry, "has no manifest")


def _is_whole_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError, ValueError):
        return False


def _is_whole_gzip(path: Path) -> bool:
    try:
        with gzip.open(path) as file:
            while file.read(_READ):
                process.check_stopped()
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _sha256(path: Path) -> str:
    hashing = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ):
            process.check_stopped()
            hashing.update(piece)
    return hashing.hexdigest()


def _unpacked(path: Path) -> tuple[str, int]:
    """The SHA-256 of a layer's tar, and its bytes."""
    hashing, size = hashlib.sha256(), 0
    with open_layer(path) as stream:
        while piece := stream.read(_READ):
            process.check_stopped()
            hashing.update(piece)
            size += len(piece)
    return hashing.hexdigest(), size
