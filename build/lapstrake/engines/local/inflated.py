"""Locked Debian packages as dpkg is quickest with them: their files not compressed.

To inflate them takes longer than all else that dpkg does. What comes of it is kept: the next root
differs in a package or two, and mmdebstrap unpacks the essential ones twice.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lapstrake import process
from lapstrake.engines.built import only_file
from lapstrake.engines.local.plain_deb import NoPackageError, write_plain
from lapstrake.errors import UserError
from lapstrake.lock.model import Deb
from lapstrake.store.intact import check_file
from lapstrake.store.store import Store, writing


@dataclass(frozen=True)
class Package:
    """A package's file, which was just hashed: what was locked, or the same with plain files."""

    path: Path
    sha256: str


def packages(debs: Iterable[Deb], files: Mapping[str, Path], store: Store) -> list[Package]:
    """Locked packages, inflated, in their order; those that the cache lacks on all cores.

    Args:
        debs: which.
        files: where each lies as it was locked, by `Deb.filename`.
        store: keeps them.

    Raises:
        UserError: a file is not what was locked, or no Debian package.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(lambda deb: _package(deb, files[deb.filename], store), debs))


def no_package(deb: Path, words: tuple[str, ...]) -> UserError:
    """The error for a file that isn't a package, with what somebody said of it."""
    return UserError(f"{deb.name} is no Debian package", "remove it from the cache", words)


def _package(deb: Deb, file: Path, store: Store) -> Package:
    process.check_stopped()
    if kept := only_file(store.inflated(deb.sha256), "*.deb"):
        check_file(kept, kept.stem)
        return Package(kept, kept.stem)
    # apt would find another file out, but not in what is made of it
    check_file(file, deb.sha256)
    try:
        return _inflated(deb, file, store) or Package(file, deb.sha256)
    except NoPackageError as error:
        raise no_package(file, (str(error),)) from None


def _inflated(deb: Deb, file: Path, store: Store) -> Package | None:
    """Inflate a package and keep that; None for one that needn't be."""
    with store.scratch("deb") as work:
        plain = work / "plain"
        if not write_plain(file, plain):
            return None
        with plain.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        place = store.inflated(deb.sha256) / f"{sha256}.deb"
        with writing(store.root):
            place.parent.mkdir(exist_ok=True)
            plain.replace(place)
    return Package(place, sha256)
