"""Locked wheels into the cache, from whatever package index is configured now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake.fetch.download import Downloader, Item, Mismatch
from lapstrake.fetch.http import client
from lapstrake.fetch.pylock import Address, Package, read_pylock
from lapstrake.fetch.uv import Target, Unsolvable, Uv
from lapstrake.lock.model import Wheel
from lapstrake.store.store import Store

_OTHER = "`lapstrake lock --upgrade` locks what the configured indexes have"


def fetch_wheels(
    wheels: Sequence[Wheel],
    store: Store,
    python: str,
    glibc: str,
    platform: str,
    tick: Callable[[str, int], None],
) -> dict[str, Path]:
    """Have the files of one resolution in the cache, each checked against the lock.

    Args:
        wheels: wheels and source archives with distinct names.
        store: where they go.
        python: `3.x` that they were locked for.
        glibc: `2.x`, likewise.
        platform: likewise.
        tick: called from several threads with a wheel's name and bytes received (negative where
            some of them have to be fetched again).

    Returns:
        The path of each file by the wheel's name.

    Raises:
        UserError: no index has a file, or it is not what the lock names, or no network.
    """
    paths = {w.name: store.wheel(w.sha256, w.filename) for w in wheels}
    if len(paths) != len(wheels):
        msg = "two wheels have one name"
        raise ValueError(msg)
    wanted = [w for w in wheels if not paths[w.name].exists()]
    if wanted:
        _fetch(wanted, paths, Uv(Target(python, glibc, platform)), tick)
    return paths


def _fetch(
    wanted: Sequence[Wheel],
    paths: dict[str, Path],
    uv: Uv,
    tick: Callable[[str, int], None],
) -> None:
    addresses = find_addresses(wanted, uv)
    items = [
        Item(w.name, (addresses[w.name].url,), w.sha256, paths[w.name], w.size) for w in wanted
    ]
    indexes = uv.indexes
    with client(indexes.env, indexes.insecure) as http:
        failures = Downloader(http, indexes.credentials).fetch_all(items, tick)
    for name, error in failures.items():
        hint = "the index or a proxy gave another file under that name"
        if isinstance(error, Mismatch):
            raise UserError(error.message, hint)
        raise UserError(f"{name}: {error.message}", _OTHER)


def find_addresses(wheels: Sequence[Wheel], uv: Uv) -> dict[str, Address]:
    """Where the configured indexes have each file, by the wheel's name.

    Raises:
        UserError: an index lacks the version or the file.
    """
    packages = {p.name: p for p in _listed(wheels, uv)}
    return {w.name: _address(w, packages.get(w.name)) for w in wheels}


def _listed(wheels: Sequence[Wheel], uv: Uv) -> tuple[Package, ...]:
    pins = [f"{w.name}=={w.version}" for w in wheels]
    options = ("--no-deps", "--prerelease", "allow")
    try:
        return read_pylock(uv.compile(pins, options=options, strict=True))
    except Unsolvable as error:
        # what was cached of an index may be older than the lock
        try:
            return read_pylock(uv.compile(pins, options=(*options, "--refresh"), strict=True))
        except Unsolvable:
            raise UserError(
                f"the configured package indexes lack what the lock names: {error.reason}",
                _OTHER,
                error.details,
            ) from None


def _address(wheel: Wheel, package: Package | None) -> Address:
    files = package.files if package else ()
    for file in files:
        if file.sha256 == wheel.sha256:
            return file
    for file in files:
        if file.filename == wheel.filename:
            if file.sha256 is None:  # the index says nothing: what arrives is checked
                return file
            raise UserError(
                f"{wheel.filename} is not the file that the lock names",
                "an index has another file under that name; is it the one that you trust?",
                (f"the lock:  sha256 {wheel.sha256}", f"the index: sha256 {file.sha256}"),
            )
    raise UserError(f"the configured package indexes have no {wheel.filename}", _OTHER)
