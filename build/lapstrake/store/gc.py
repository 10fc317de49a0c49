"""Removing from the cache what nobody used for long, or what is too much.

Never while a build runs: it may be about to use just that. An interruption leaves nothing by
half: records go before the blobs that they name, and folders are renamed away before they go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lapstrake import process
from lapstrake.store.contents import PARTS, Contents, Entry, Known, Weights, bytes_of, read_contents
from lapstrake.store.store import Store, writing
from lapstrake.store.sweep import remove_tree, sweep
from lapstrake.store.use import USE_LOCK


@dataclass(frozen=True)
class Limits:
    """What may stay: entries used since `since` (seconds since 1970), and so many bytes.

    None stands for no limit; what nothing can use any more goes in any case.
    """

    since: float | None = None
    keep_bytes: int | None = None


@dataclass(frozen=True)
class Collection:
    """What is to go: `freed` and `kept` are bytes."""

    entries: tuple[Entry, ...]
    records: tuple[Known, ...]
    freed: int
    kept: int


def choose(contents: Contents, limits: Limits) -> Collection:
    """What of a cache is to go. Pure.

    Entries go from those that were used longest ago; of those that one build used, the ones go
    first that are made again most easily.
    """
    weights = Weights(contents.entries)
    left = bytes_of(contents.entries)
    useless = _useless(contents)
    chosen: list[Entry] = []
    freed = 0
    for entry in sorted(contents.entries, key=lambda e: _order(e, useless)):
        is_old = limits.since is not None and entry.used < limits.since
        too_much = limits.keep_bytes is not None and left - freed > limits.keep_bytes
        if entry in useless or is_old or too_much:
            chosen.append(entry)
            freed += weights.freed_by(entry)
    records = tuple(k for k in contents.records if _goes(k, contents, chosen, limits.since))
    return Collection(tuple(chosen), records, freed, left - freed)


def _order(entry: Entry, useless: set[Entry]) -> tuple[bool, float, int, str]:
    return entry not in useless, entry.used, PARTS.index(entry.part), entry.name


def _useless(contents: Contents) -> set[Entry]:
    """Blobs and trees that no record names: whoever was about to write one was killed."""
    named = {name for known in contents.records for name in known.names}
    return {e for e in contents.entries if e.part in {"blobs", "trees"} and e.hash not in named}


def _goes(known: Known, contents: Contents, chosen: Iterable[Entry], since: float | None) -> bool:
    if known.record is None or (since is not None and known.used < since):
        return True
    gone = {e.name for e in chosen if e.part == "blobs"}
    there = {e.name for e in contents.part("blobs")} - gone
    return not all(b.digest.removeprefix("sha256:") in there for b in known.record.blobs)


def remove(store: Store, collection: Collection) -> None:
    """Remove what was chosen; the caller has the cache alone (`use.unused`).

    Raises:
        UserError: something can't be removed.
    """
    with writing(store.root):
        for known in collection.records:
            known.path.unlink(missing_ok=True)
    remove_entries(store, (e.path for e in collection.entries))


def remove_entries(store: Store, paths: Iterable[Path]) -> None:
    """Remove entries, folders and files, each whole or not at all."""
    with store.scratch("gc") as trash:
        for number, path in enumerate(paths):
            process.check_stopped()
            with writing(path.parent):
                if path.is_dir() and not path.is_symlink():
                    path.rename(trash / str(number))
                    remove_tree(trash / str(number))
                else:
                    path.unlink(missing_ok=True)


def collect(store: Store, limits: Limits) -> tuple[Collection, int]:
    """Sweep, choose and remove, with the cache to itself; and how many leftovers were swept."""
    swept = sweep(store)
    collection = choose(read_contents(store), limits)
    remove(store, collection)
    _remove_locks(store)
    return collection, swept


def _remove_locks(store: Store) -> None:
    """Remove the locks of single layers: only builds take them, and none runs."""
    for path in (store.root / "locks").iterdir():
        if path.name != USE_LOCK:
            with writing(path.parent):
                path.unlink(missing_ok=True)
