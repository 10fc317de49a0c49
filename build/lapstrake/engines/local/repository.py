"""Debian packages in a folder, as a repository that apt takes packages from."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lapstrake import process
from lapstrake.engines.local.inflated import Package, no_package, packages
from lapstrake.engines.local.plain_deb import NoPackageError, read_control
from lapstrake.lock.model import Deb
from lapstrake.store.store import Store


def make_repository(
    debs: Sequence[Deb], files: Mapping[str, Path], folder: Path, store: Store
) -> None:
    """Make the folder a flat repository: the packages, and `Packages` with an entry for each.

    Args:
        debs: which packages.
        files: where each lies, by `Deb.filename`.
        folder: is made; packages in it are hard links where the file system allows it.
        store: keeps packages inflated.

    Raises:
        UserError: a file is not what was locked, or no Debian package.
    """
    folder.mkdir(parents=True)
    ordered = sorted(debs, key=lambda deb: deb.filename)
    found = packages(ordered, files, store)
    entries = [_entry(deb, p, folder) for deb, p in zip(ordered, found, strict=True)]
    (folder / "Packages").write_text("\n".join(entries), errors="surrogateescape")


def _entry(deb: Deb, package: Package, folder: Path) -> str:
    """Put a package into the folder; what `Packages` says of it."""
    link_file(package.path, folder / deb.filename)
    size, sha256 = package.path.stat().st_size, package.sha256
    fields = _control(package.path)
    return f"{fields}Filename: ./{deb.filename}\nSize: {size}\nSHA256: {sha256}\n"


def _control(deb: Path) -> str:
    """A package's control fields, each line with its newline."""
    try:
        text = read_control(deb)
    except NoPackageError as error:
        raise no_package(deb, (str(error),)) from None
    if text is None:
        result = process.run(["dpkg-deb", "--field", deb], check=False)
        if result.code != 0:
            raise no_package(deb, result.tail)
        text = result.stdout
    return text.rstrip("\n") + "\n"


def link_file(file: Path, place: Path) -> None:
    """Make `place` the same file, or a copy where that can't be."""
    with contextlib.suppress(OSError):
        os.link(file.resolve(), place)
        return
    shutil.copyfile(file, place)
