"""Debian packages in a folder, as a repository that apt takes packages from."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.lock.model import Deb


def make_repository(debs: Sequence[Deb], files: Mapping[str, Path], folder: Path) -> None:
    """Make the folder a flat repository: the packages, and `Packages` with an entry for each.

    Args:
        debs: which packages; their hashes and sizes become the index's.
        files: where each lies, by `Deb.filename`.
        folder: is made; packages are hard links where the file system allows it.

    Raises:
        UserError: a file is no Debian package.
    """
    folder.mkdir(parents=True)
    entries = []
    for deb in sorted(debs, key=lambda deb: deb.filename):
        place = folder / deb.filename
        link_file(files[deb.filename], place)
        entries.append(_control(place) + f"Filename: ./{deb.filename}\n" + _proof(deb))
    (folder / "Packages").write_text("\n".join(entries), errors="surrogateescape")


def _proof(deb: Deb) -> str:
    return f"Size: {deb.size}\nSHA256: {deb.sha256}\n"


def _control(deb: Path) -> str:
    """A package's control fields, each line with its newline."""
    result = process.run(["dpkg-deb", "--field", deb], check=False)
    if result.code != 0:
        raise UserError(f"{deb.name} is no Debian package", "remove it from the cache", result.tail)
    return result.stdout.rstrip("\n") + "\n"


def link_file(file: Path, place: Path) -> None:
    """Make `place` the same file, or a copy where that can't be."""
    with contextlib.suppress(OSError):
        os.link(file.resolve(), place)
        return
    shutil.copyfile(file, place)
