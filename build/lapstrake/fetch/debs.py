"""Locked Debian packages into the cache, from whatever mirrors are configured now."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake.fetch.download import Downloader, Item, Mismatch
from lapstrake.fetch.http import client
from lapstrake.fetch.indexes import netrc_login
from lapstrake.fetch.mirrors import SNAPSHOT, bases_of, find_archives
from lapstrake.lock.model import Deb
from lapstrake.store.store import Store


class MovedOn(UserError):
    """Mirrors no longer have some package that is locked."""


def fetch_debs(
    debs: Sequence[Deb],
    suite: str,
    components: Sequence[str],
    store: Store,
    tick: Callable[[str, int], None],
) -> dict[str, Path]:
    """Have Debian packages in the cache, each checked against the lock.

    Args:
        debs: the packages.
        suite: the suite that they were chosen from; empty for that of each package's archive.
        components: the archive's components that were used.
        store: where they go.
        tick: called from several threads with a package's file name and bytes received (negative
            where some of them have to be fetched again).

    Returns:
        The path of each package by `Deb.filename`.

    Raises:
        MovedOn: mirrors have moved on (naming every package that is gone).
        UserError: no network.
    """
    paths = {d.filename: store.deb(d.sha256) for d in debs}
    wanted = [d for d in debs if not paths[d.filename].exists()]
    groups: dict[str, list[Deb]] = {}
    for deb in wanted:
        groups.setdefault(suite or deb.archive.partition("-")[0], []).append(deb)
    for name, group in sorted(groups.items()):
        _fetch(group, name, components, paths, tick)
    return paths


def _fetch(
    debs: Sequence[Deb],
    suite: str,
    components: Sequence[str],
    paths: dict[str, Path],
    tick: Callable[[str, int], None],
) -> None:
    archives = find_archives(suite, components)
    by_base = {a.base: a for a in archives}
    items = [
        Item(
            d.filename,
            tuple(by_base[b].url(d.path) for b in bases_of(archives, d.archive)),
            d.sha256,
            paths[d.filename],
            d.size,
        )
        for d in debs
    ]
    with client() as http:
        failures = Downloader(http, lambda url: netrc_login(url, os.environ)).fetch_all(items, tick)
    if not failures:
        return
    gone = sorted(f"{d.name} {d.version}" for d in debs if d.filename in failures)
    differ = [e.message for e in failures.values() if isinstance(e, Mismatch)]
    raise MovedOn(
        f"the mirror no longer has {', '.join(gone)}",
        f"`lapstrake lock --upgrade-os` moves to what it has; {SNAPSHOT} names a snapshot mirror",
        tuple(differ),
    )
