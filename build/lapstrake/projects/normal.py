"""What a backend built, written again so that only what it means is left in its bytes.

Backends keep times, users, umasks and orders of folders in their archives, each in its own way.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion
from packaging.version import Version as Pep440

from lapstrake.errors import UserError
from lapstrake.projects.archive import Member, write_tar, write_zip
from lapstrake.projects.model import Expected

_RECORD = ".dist-info/RECORD"
_CORRUPT = (OSError, tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError)


def normal_sdist(built: Path, expected: Expected, folder: Path) -> Path:
    """Write a source archive into `folder`, named as PEP 625 wants it; sorted, without times.

    Raises:
        UserError: it is no sound `.tar.gz`, or not of the expected project and version.
    """
    try:
        with tarfile.open(built, "r:gz") as tar:
            members = list(_tar_members(tar))
    except _CORRUPT as error:
        raise UserError(f"{expected.backend} built no .tar.gz: {error}") from error
    info = next((m[1] for m in members if m[0] == "PKG-INFO"), b"")
    _check_metadata(info, expected, "source archive")
    path = folder / f"{expected.stem}.tar.gz"
    write_tar(path, expected.stem, members)
    return path


def normal_wheel(built: Path, expected: Expected, folder: Path) -> Path:
    """Write a wheel into `folder` under its own name: sorted, without times, RECORD last.

    Raises:
        UserError: it is no sound wheel, or not of the expected project and version.
    """
    try:
        with zipfile.ZipFile(built) as archive:
            members = sorted(_zip_members(archive), key=_wheel_order)
    except _CORRUPT as error:
        raise UserError(f"{expected.backend} built no wheel: {error}") from error
    names = [m[0] for m in members]
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise UserError(f"the wheel of {expected.title} has {twice} twice")
    info = next((m[1] for m in members if m[0].endswith(".dist-info/METADATA")), b"")
    _check_metadata(info, expected, "wheel")
    _check_siblings(info, expected)
    path = folder / built.name
    write_zip(path, members)
    return path


def _tar_members(tar: tarfile.TarFile) -> Iterator[Member]:
    """The files of an archive's only folder; of one that is there twice, the last."""
    found: dict[str, Member] = {}
    for member in tar:
        name = member.name.removeprefix("./").partition("/")[2]
        if not name or ".." in name.split("/"):
            continue
        if member.issym():
            found[name] = (name, b"", False, member.linkname)
        elif member.isfile() or member.islnk():
            content = tar.extractfile(member)
            data = content.read() if content else b""
            found[name] = (name, data, bool(member.mode & stat.S_IXUSR), "")
    yield from found.values()


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        content = archive.read(entry)
        if entry.filename.endswith(_RECORD):
            content = b"".join(sorted(content.splitlines(keepends=True)))
        yield entry.filename, content, bool(entry.external_attr >> 16 & stat.S_IXUSR), ""


def _wheel_order(member: Member) -> tuple[bool, bool, str]:
    """What is installed first, then .dist-info, RECORD at the very end."""
    name = member[0]
    return name.endswith(_RECORD), ".dist-info/" in name, name


def _check_metadata(info: bytes, expected: Expected, what: str) -> None:
    """That the backend took the version, and the name that everything else goes by."""
    found = HeaderParser().parsestr(info.decode(errors="replace"))
    name, version = found.get("Name", ""), found.get("Version", "")
    title = expected.title
    if canonicalize_name(name) != expected.name:
        raise UserError(f"the {what} of {title} says that its name is {name!r}")
    try:
        same = Pep440(version) == Pep440(expected.version)
    except InvalidVersion:
        same = False
    if not same:
        raise UserError(
            f"the {what} of {title} has the version {version!r}, not {expected.version}",
            "state the version in [project], or let it be found in a plain __version__",
        )


def _check_siblings(info: bytes, expected: Expected) -> None:
    """That the wheel can be installed beside the wheels of its own release."""
    found = HeaderParser().parsestr(info.decode(errors="replace"))
    for text in found.get_all("Requires-Dist") or []:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) not in expected.siblings:
            continue
        allowed = requirement.specifier
        if requirement.url or not allowed.contains(expected.version, prereleases=True):
            raise UserError(
                f"the wheel of {expected.title} requires {text}, which its own release isn't",
                f"require {requirement.name} in [project] dependencies: a release bounds it there",
            )
