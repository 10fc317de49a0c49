"""Compiled modules: which a wheel has, and what is kept of them in the cache.

They are compiled once for each wheel and Python (see `lapstrake.guest.bytecode`), and kept as a
zip of `.pyc` files under their paths in the image. A layer takes them from there.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lapstrake.guest.bytecode import packed, read_pack
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.wheel import Placed, WheelFile
from lapstrake.layers.wheel_archive import Archive, Member

# A larger source is data; the compiler takes some hundred times its size in memory.
_LARGEST = 8 << 20

# The seconds of eight years: modules' times lie in the 1980s.
_TIMES = 1 << 28

# Nothing imports a package's tests while it serves; of numpy, scipy, pandas and scikit-learn they
# are half of all modules.
_LEFT_OUT = "tests"


def write_sources(wheel: Path, name: str, python: str, pack: Path) -> None:
    """Write the pack of the modules of a wheel that are to be compiled.

    Raises:
        UserError: the wheel is corrupt, or may not be installed.
    """
    with Archive(wheel) as archive, pack.open("wb") as out:
        for member, path in WheelFile(archive, name, python).modules():
            in_tests = _LEFT_OUT in PurePosixPath(member.name).parts[:-1]
            if not in_tests and member.size <= _LARGEST:
                out.write(packed(path, module_mtime(member), archive.read(member.name)))


def module_mtime(member: Member) -> int:
    """The modification time of a module that lies beside its `.pyc`: another for other content.

    A `.pyc` is taken for that of its module where time and size are as it says. All that a layer
    brings has one time otherwise, so a file of the repository that replaces a module would pass
    for it by having its size.
    """
    return FIXED_MTIME + 1 + member.crc32 % _TIMES


def write_compiled(pack: Path, out: Path) -> None:
    """Write what the cache keeps of a pack of `.pyc` files: a zip has a checksum of each."""
    modules = {path: content for path, _, content in read_pack(pack.read_bytes())}
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in sorted(modules.items()):
            archive.writestr(zipfile.ZipInfo(path), content)


class Compiled:
    """A wheel's compiled modules on their way into a layer.

    Args:
        archive: what the cache has of the wheel, open.
        wheel: the wheel: what belongs to none of its modules has no place in the layer.
    """

    def __init__(self, archive: Archive, wheel: WheelFile) -> None:
        self.archive = archive
        self._times = {path: module_mtime(member) for member, path in wheel.modules()}
        self._known = {_beside(path) for path in self._times}

    def stamped(self, placed: Placed) -> Placed:
        """A file of the wheel with the time that its `.pyc` knows it by."""
        mtime = self._times.get(placed.path)
        return placed if mtime is None else replace(placed, mtime=mtime)

    def drop(self, placed: Placed | None) -> None:
        """One gives way to a file that a wheel brings itself: there is nothing to check."""

    def lay_out(self) -> Mapping[str, Placed]:
        """The `.pyc` files by path."""
        return {
            member.name: Placed(member.name, False, "", member.size, member)
            for member in self.archive.members.values()
            if _stem(member.name) in self._known
        }


def _beside(module: str) -> tuple[PurePosixPath, str]:
    path = PurePosixPath(module)
    return path.parent / "__pycache__", path.stem


def _stem(compiled: str) -> tuple[PurePosixPath, str]:
    """`x.cpython-311.pyc` is of the module `x`."""
    path = PurePosixPath(compiled)
    return path.parent, path.name.rsplit(".", 2)[0]
