"""What lies in a cache: its entries, their bytes, and when each was used last."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lapstrake.layers.kinds import digest_of, key_of
from lapstrake.store.records import LayerRecord
from lapstrake.store.store import Store

# From what is made again most easily to what is hardest won.
PARTS = ("trees", "inflated", "bytecode", "images", "wheels", "debs", "blobs")

_FOLDERS = {"blobs": "blobs/sha256"}
_SHA256 = re.compile(r"[0-9a-f]{64}")

Inode = tuple[int, int]


@dataclass(frozen=True)
class Entry:
    """One thing that can be removed: a file, or a folder as a whole.

    `name` is that of its file or folder, `used` seconds since 1970.
    """

    part: str
    name: str
    path: Path
    used: float

    @property
    def hash(self) -> str:
        """The 64 hexadecimal digits that its name begins with; empty where it doesn't."""
        found = _SHA256.match(self.name)
        return found[0] if found else ""

    @cached_property
    def files(self) -> Mapping[Inode, int]:
        """Its files and their bytes; what may not be looked into is left out."""
        return dict(_files(self.path))


@dataclass(frozen=True)
class Known:
    """A record's file; `record` is None where it can't be read."""

    path: Path
    record: LayerRecord | None
    used: float

    @property
    def names(self) -> Iterator[str]:
        """The hashes of all that the record stands for: blobs, diffIDs, and its inputs."""
        if self.record is None:
            return
        for blob in self.record.blobs:
            yield blob.digest.removeprefix("sha256:")
            yield blob.diff_id.removeprefix("sha256:")
        yield from _hashes(self.record.inputs)
        yield from _keys(self.record.inputs)

    @property
    def downloads(self) -> Iterator[str]:
        """The hashes in the record's inputs; among them those of all that was fetched for it."""
        if self.record is not None:
            yield from _hashes(self.record.inputs)


@dataclass(frozen=True)
class Contents:
    """All entries of a cache (by part and name) and all records (by name)."""

    entries: tuple[Entry, ...]
    records: tuple[Known, ...]

    def part(self, name: str) -> list[Entry]:
        """The entries of one part."""
        return [e for e in self.entries if e.part == name]


def read_contents(store: Store) -> Contents:
    """Look through the cache; temporary files aren't among its entries."""
    records = tuple(_records(store))
    named: dict[str, float] = {}
    for known in records:
        for name in known.names:
            named[name] = max(named.get(name, 0), known.used)
    return Contents(tuple(_entries(store, named)), records)


def bytes_of(entries: Iterable[Entry]) -> int:
    """The bytes of entries together: a file with several names counts once."""
    files: dict[Inode, int] = {}
    for entry in entries:
        files |= entry.files
    return sum(files.values())


class Weights:
    """What removing entries frees: a file's bytes go with its last name in the cache."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._names: Counter[Inode] = Counter()
        for entry in entries:
            self._names.update(entry.files.keys())

    def freed_by(self, entry: Entry) -> int:
        """The bytes that go with an entry, which then counts as removed."""
        freed = 0
        for inode, size in entry.files.items():
            self._names[inode] -= 1
            freed += 0 if self._names[inode] else size
        return freed


def _records(store: Store) -> Iterator[Known]:
    for path in sorted((store.root / "layers").glob("*.json")):
        with contextlib.suppress(FileNotFoundError):
            used = path.stat().st_mtime
            try:
                record = LayerRecord.from_json(json.loads(path.read_bytes()))
            except (ValueError, KeyError, TypeError):
                record = None
            yield Known(path, record, used)


def _entries(store: Store, named: Mapping[str, float]) -> Iterator[Entry]:
    for part in PARTS:
        folder = store.root / _FOLDERS.get(part, part)
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            with contextlib.suppress(FileNotFoundError):
                info = path.stat()
                # an unpacked folder's own time comes out of its layer
                own = info.st_ctime if path.is_dir() else info.st_mtime
                found = _SHA256.match(path.name)
                used = max(own, named.get(found[0], 0) if found else 0)
                yield Entry(part, path.name, path, used)


def _hashes(value: object) -> Iterator[str]:
    """Every SHA-256 in a layer's inputs."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _hashes(inner)
    elif isinstance(value, str):
        yield from _SHA256.findall(value)


def _keys(inputs: Mapping[str, object]) -> Iterator[str]:
    """What was made on the way to a layer lies under: built wheels, compiled modules."""
    wheels = inputs.get("wheels")
    version, python = str(inputs.get("bytecode", "")), str(inputs.get("python", ""))
    for wheel in wheels.values() if isinstance(wheels, Mapping) else ():
        built = isinstance(wheel, Mapping)
        source = digest_of(wheel) if built else str(wheel).rpartition(" ")[2]
        if built:
            yield source
        if version:
            yield key_of(source, version, python)


def _files(path: Path) -> Iterator[tuple[Inode, int]]:
    with contextlib.suppress(OSError):
        if not path.is_dir() or path.is_symlink():
            yield _file(path.lstat())
            return
    waiting = [path]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    waiting.append(Path(item.path))
                else:
                    yield _file(item.stat(follow_symlinks=False))


def _file(info: os.stat_result) -> tuple[Inode, int]:
    return (info.st_dev, info.st_ino), info.st_size
