"""The files of a release: wheels and source archives in dist/, and what the settings name."""

from __future__ import annotations

from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version as Pep440

from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.version import Version
from lapstrake_release.evidence.sums import sha256_of
from lapstrake_release.facts import FileFacts, Kind

WHEELS, SDISTS = "wheels", "sdists"


def files_in(dist: Path, version: Version) -> tuple[FileFacts, ...]:
    """The wheels and source archives in dist/, sorted by name.

    Raises:
        UserError: one is of another version, or its name can't be read.
    """
    wheels = [_file(p, "wheel", version) for p in (dist / WHEELS).glob("*.whl")]
    sdists = [_file(p, "sdist", version) for p in (dist / SDISTS).glob("*.tar.gz")]
    return tuple(sorted((*wheels, *sdists), key=lambda f: f.name))


def more_files(repo: Repository) -> tuple[Path, ...]:
    """The files that `release.files` names, and all in the folders that it names; sorted.

    Raises:
        UserError: one isn't there.
    """
    found: set[Path] = set()
    for written in repo.family.release.files:
        path = repo.root / written.removeprefix("//")
        if not path.exists():
            raise UserError(f"there is no {written}", "`release.files` names it")
        found |= {p for p in path.rglob("*") if p.is_file()} if path.is_dir() else {path}
    return tuple(sorted(found))


def _file(path: Path, kind: Kind, version: Version) -> FileFacts:
    try:
        if kind == "wheel":
            project, found, _, _ = parse_wheel_filename(path.name)
        else:
            project, found = parse_sdist_filename(path.name)
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise UserError(f"{path.name} in dist/: {error}", "remove it") from None
    if found != Pep440(version.pep440):
        raise UserError(f"{path.name} in dist/ is not of {version}", "build it again")
    size = path.stat().st_size
    return FileFacts(path, kind, str(project), str(found), sha256_of(path), size)
