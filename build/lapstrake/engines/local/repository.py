"""Debian packages in a folder, as a repository that apt takes packages from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lapstrake import process
from lapstrake.engines.local.plain_deb import NoPackageError, read_control, write_plain
from lapstrake.errors import UserError
from lapstrake.lock.model import Deb
from lapstrake.store.intact import check_file


def make_repository(debs: Sequence[Deb], files: Mapping[str, Path], folder: Path) -> None:
    """Make the folder a flat repository: the packages, and `Packages` with an entry for each.

    Args:
        debs: which packages.
        files: where each lies, by `Deb.filename`.
        folder: is made; packages that dpkg would be long about are written anew, the others are
            hard links where the file system allows it.

    Raises:
        UserError: a file is not what was locked, or no Debian package.
    """
    folder.mkdir(parents=True)
    ordered = sorted(debs, key=lambda deb: deb.filename)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        entries = list(pool.map(lambda deb: _entry(deb, files[deb.filename], folder), ordered))
    (folder / "Packages").write_text("\n".join(entries), errors="surrogateescape")


def _entry(deb: Deb, file: Path, folder: Path) -> str:
    """Put a package into the folder; what `Packages` says of it."""
    process.check_stopped()
    # apt would find another file out, but not in what is made of it
    check_file(file, deb.sha256)
    place = folder / deb.filename
    fields = _control(file)
    if _written_plain(file, place):
        with place.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        size = place.stat().st_size
    else:
        link_file(file, place)
        sha256, size = deb.sha256, deb.size
    return f"{fields}Filename: ./{deb.filename}\nSize: {size}\nSHA256: {sha256}\n"


def _written_plain(file: Path, place: Path) -> bool:
    try:
        return write_plain(file, place)
    except NoPackageError as error:
        raise _no_package(file, (str(error),)) from None


def _control(deb: Path) -> str:
    """A package's control fields, each line with its newline."""
    try:
        text = read_control(deb)
    except NoPackageError as error:
        raise _no_package(deb, (str(error),)) from None
    if text is None:
        result = process.run(["dpkg-deb", "--field", deb], check=False)
        if result.code != 0:
            raise _no_package(deb, result.tail)
        text = result.stdout
    return text.rstrip("\n") + "\n"


def _no_package(deb: Path, words: tuple[str, ...]) -> UserError:
    return UserError(f"{deb.name} is no Debian package", "remove it from the cache", words)


def link_file(file: Path, place: Path) -> None:
    """Make `place` the same file, or a copy where that can't be."""
    with contextlib.suppress(OSError):
        os.link(file.resolve(), place)
        return
    shutil.copyfile(file, place)
