"""One wheel, laid out as an installer would: which file goes where, and what is made anew.

Follows the "Binary distribution format", "Recording installed projects" and "Entry points"
specifications of PyPA.
"""

from __future__ import annotations

import email
import hashlib
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from lapstrake.errors import UserError
from lapstrake.layers import wheel_record
from lapstrake.layers.fixed import FIXED_MTIME, PREFIX
from lapstrake.layers.wheel_archive import FETCH_AGAIN, Archive, Member
from lapstrake.layers.wheel_record import Installed, Recorded
from lapstrake.layers.wheel_scripts import (
    entry_point_scripts,
    has_placeholder,
    with_interpreter,
)

INSTALLER = b"lapstrake\n"
INTERPRETER = f"{PREFIX}/bin/python"

_PREFIX = PREFIX.lstrip("/")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_SUPPORTED_MAJOR = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """One file of the environment.

    Attributes:
        path: in the image, without a leading slash.
        sha256: of its content, in hexadecimal; the member's own is yet to be compared.
        content: the wheel's member, or bytes that were made anew.
        mtime: seconds since 1970.
    """

    path: str
    executable: bool
    sha256: str
    size: int
    content: Member | bytes
    mtime: int = FIXED_MTIME

    @classmethod
    def made(cls, path: str, data: bytes, *, executable: bool = False) -> Placed:
        """A file that was made anew."""
        return cls(path, executable, hashlib.sha256(data).hexdigest(), len(data), data)


class WheelFile:
    """A wheel on its way into an environment.

    Args:
        archive: the open zip.
        name: the normalised name that the wheel must have.
        python: `3.x`, of the environment.

    Raises:
        UserError: it is not that wheel, or none that may be installed.
    """

    def __init__(self, archive: Archive, name: str, python: str) -> None:
        self.archive = archive
        self.name = name
        self._dist_info = self._find_dist_info(name)
        self._check_version()
        self._record = self._parse_record()
        self._site = f"{_PREFIX}/lib/python{python}/site-packages"
        dist = self._dist_info.removesuffix(".dist-info").rpartition("-")[0]
        self._schemes = {
            "purelib": self._site,
            "platlib": self._site,
            "headers": f"{_PREFIX}/include/site/python{python}/{dist}",
            "scripts": f"{_PREFIX}/bin",
            "data": _PREFIX,
        }

    def lay_out(self) -> dict[str, Placed]:
        """All files by path, RECORD among them.

        Members that don't get into the environment are checked here; the others have yet to be,
        by their `sha256`, as they are read.
        """
        found: dict[str, Placed] = {}
        own = {self._in_dist_info("RECORD"), self._in_dist_info("INSTALLER")}
        for member in self.archive.members.values():
            if member.name in own:
                continue
            placed = self._place(member)
            self.drop(found.get(placed.path))
            found[placed.path] = placed
        for placed in self._generated():
            self.drop(found.get(placed.path))
            found[placed.path] = placed
        record = self._new_record(found)
        return found | {record.path: record}

    def modules(self) -> Iterator[tuple[Member, str]]:
        """The Python modules among its packages: member, and path in the image; by member."""
        for member in self.archive.members.values():
            path = self._path(member)
            if path.endswith(".py") and path.startswith(f"{self._site}/"):
                yield member, path

    def drop(self, placed: Placed | None) -> None:
        """Check a file that was placed and gives way to another."""
        if placed is not None and isinstance(placed.content, Member):
            self._sha256(placed.content)

    def _in_dist_info(self, name: str) -> str:
        return f"{self._dist_info}/{name}"

    def _find_dist_info(self, name: str) -> str:
        tops = {n.partition("/")[0] for n in self.archive.members if "/" in n}
        found = sorted(top for top in tops if top.endswith(".dist-info"))
        if len(found) != 1:
            raise self.archive.wrong(f"it has {len(found)} .dist-info folders instead of one")
        told = canonicalize_name(found[0].removesuffix(".dist-info").rpartition("-")[0])
        if told != canonicalize_name(name):
            raise self.archive.wrong(f"it is {told!r}, not {name!r}")
        if f"{found[0]}/METADATA" not in self.archive.members:
            raise self.archive.wrong(f"it has no {found[0]}/METADATA")
        return found[0]

    def _check_version(self) -> None:
        text = self.archive.read(self._in_dist_info("WHEEL")).decode("utf-8", "replace")
        version = email.message_from_string(text).get("Wheel-Version", "")
        match = re.fullmatch(r"(\d{1,9})\.\d+", version.strip())
        if match is None:
            raise self.archive.wrong("its WHEEL file has no Wheel-Version")
        if int(match[1]) > _SUPPORTED_MAJOR:
            hint = "a newer Lapstrake may know it; or lock another version"
            raise self.archive.wrong(f"its format {version.strip()} is newer than 1.x", hint)

    def _parse_record(self) -> dict[str, Recorded]:
        path = self._in_dist_info("RECORD")
        try:
            return wheel_record.parse(self.archive.read(path))
        except ValueError as error:
            raise self.archive.wrong(f"{path}: {error}") from error

    def _place(self, member: Member) -> Placed:
        path = self._path(member)
        top, *rest = member.name.split("/")
        if top.endswith(".data") and rest[:1] == ["scripts"]:
            return self._script(path, member)
        return Placed(path, member.executable, self._known_sha256(member), member.size, member)

    def _path(self, member: Member) -> str:
        top, _, rest = member.name.partition("/")
        if not rest or not top.endswith(".data"):
            return f"{self._site}/{member.name}"
        key, _, rest = rest.partition("/")
        if key not in self._schemes or not rest:
            raise self.archive.wrong(f"{member.name!r} has no place in an environment")
        return f"{self._schemes[key]}/{rest}"

    def _script(self, path: str, member: Member) -> Placed:
        head = next(self.archive.pieces(member), b"")
        if not has_placeholder(head):
            return Placed(path, True, self._known_sha256(member), member.size, member)
        self._sha256(member)
        script = with_interpreter(self.archive.read(member.name), INTERPRETER)
        return Placed.made(path, script, executable=True)

    def _generated(self) -> Iterator[Placed]:
        path = self._in_dist_info("entry_points.txt")
        if path in self.archive.members:
            try:
                for name, script in entry_point_scripts(self.archive.read(path), INTERPRETER):
                    yield Placed.made(f"{_PREFIX}/bin/{name}", script, executable=True)
            except ValueError as error:
                raise self.archive.wrong(f"{path}: {error}") from error
        yield Placed.made(f"{self._site}/{self._in_dist_info('INSTALLER')}", INSTALLER)

    def _new_record(self, files: dict[str, Placed]) -> Placed:
        path = self._in_dist_info("RECORD")
        installed = [
            Installed(posixpath.relpath(f.path, self._site), f.sha256, f.size)
            for f in files.values()
        ]
        return Placed.made(f"{self._site}/{path}", wheel_record.write(path, installed))

    def _recorded(self, member: Member) -> Recorded | None:
        """A member's line; None for a signature, which can't be in what it signs."""
        line = self._record.get(member.name)
        if line is None and member.name in map(self._in_dist_info, _SIGNATURES):
            return None
        if line is None:
            raise self.archive.wrong(f"{member.name!r} is missing from its RECORD")
        if not line.algorithm:
            raise self.archive.wrong(f"{member.name!r} has no hash in its RECORD")
        if line.size not in {None, member.size}:
            raise self._mismatch(member, "size")
        return line

    def _known_sha256(self, member: Member) -> str:
        """Its SHA-256 as recorded (not compared), or as computed where another is recorded."""
        line = self._recorded(member)
        if line is not None and line.algorithm == "sha256":
            return line.digest
        return self._sha256(member)

    def _sha256(self, member: Member) -> str:
        """Its SHA-256, after its content was compared with what is recorded."""
        line = self._recorded(member)
        ours, theirs = hashlib.sha256(), hashlib.new(line.algorithm if line else "sha256")
        for piece in self.archive.pieces(member):
            ours.update(piece)
            theirs.update(piece)
        if line is not None and theirs.hexdigest() != line.digest:
            raise self._mismatch(member, "hash")
        return ours.hexdigest()

    def _mismatch(self, member: Member, what: str) -> UserError:
        return self.archive.wrong(f"{member.name}: its {what} is not that of RECORD", FETCH_AGAIN)
