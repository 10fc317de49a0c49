"""The repository's files, read for their hashes: what a `Files` layer's id depends on."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

from lapstrake.definition.contents import FileSpec
from lapstrake.definition.repository import ImageDef, Repository
from lapstrake.errors import UserError
from lapstrake.layers.kinds import FileEntry

# Left out of folders that are copied: what tools leave behind, never what an author means.
_NOISE = {"__pycache__", ".git", ".DS_Store", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


class SourceFiles:
    """Turns `files:` into entries."""

    def __init__(self, repo: Repository) -> None:
        self.repo = repo

    def entries(self, image: ImageDef) -> tuple[FileEntry, ...]:
        """The entries of all of an image's `files:`, sorted by path.

        Raises:
            UserError: two of them are one path, or a file is neither file, folder nor link.
        """
        found: dict[str, FileEntry] = {}
        for index, spec in enumerate(image.spec.files):
            for entry in self._entries(image, spec):
                if entry.path in found and found[entry.path] != entry:
                    where = f"{image.source.name}:{image.line('files', index)}"
                    raise UserError(f"{where}: {entry.path} comes from two places")
                found[entry.path] = entry
        return tuple(found[p] for p in sorted(found))

    def _entries(self, image: ImageDef, spec: FileSpec) -> Iterator[FileEntry]:
        if spec.link is not None:
            yield FileEntry(spec.to, 0o777, "symlink", spec.owner, spec.group, target=spec.link)
        if spec.source is not None:
            yield from self._read(
                spec, self.repo.path(image, spec.source), spec.to.rstrip("/") or "/"
            )

    def _read(self, spec: FileSpec, source: Path, to: str) -> Iterator[FileEntry]:
        mode = source.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = str(source.readlink())
            yield FileEntry(to, 0o777, "symlink", spec.owner, spec.group, target=target)
        elif stat.S_ISDIR(mode):
            if to != "/":
                yield FileEntry(to, 0o755, "dir", spec.owner, spec.group)
            for child in sorted(source.iterdir()):
                if child.name not in _NOISE:
                    yield from self._read(spec, child, f"{to.rstrip('/')}/{child.name}")
        elif stat.S_ISREG(mode):
            yield self._file(spec, source, to, mode)
        else:
            raise UserError(f"{self.repo.relative(source)} is no file, folder or link")

    def _file(self, spec: FileSpec, source: Path, to: str, mode: int) -> FileEntry:
        default = 0o755 if mode & 0o111 else 0o644
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        chosen = default if spec.mode is None else spec.mode
        return FileEntry(to, chosen, "file", spec.owner, spec.group, digest, source=source)
