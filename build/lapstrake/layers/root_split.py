"""Which part of a bootstrapped root goes into which of its blobs.

Files lie with the package that dpkg says owns them, and the packages of one source lie together,
since they are updated together. So an update of one source moves its own blob and the topmost,
which has what belongs to no package alone: dpkg's status, what scripts generated, accounts.

For that to hold, where a package lies must not depend on what else changes. The largest sources
have a blob each; which they are depends on their sizes only as far as the power of two below them.
All others are spread by a hash of their names, small ones apart, so that an update of a small one
sends no large one along.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lapstrake.layers.tarheader import Entry

# Bytes of its packages' files, below which a source is a small one.
_SMALL = 1 << 18

# "12.4+deb12u15": the fifteenth update within a stable release.
_UPDATES = re.compile(r"[+~]deb\d+u(\d+)")
_COMPILED = re.compile(r"(?P<folder>.*/)__pycache__/(?P<module>[^/.]+)\.[^/]+\.pyc")
_CACHE = "/__pycache__"
_INFO = "var/lib/dpkg/info/"


@dataclass(frozen=True)
class Package:
    """An installed package."""

    name: str
    source: str
    version: str

    @property
    def updates(self) -> int:
        """How often its source was updated since the release was made, as its version tells."""
        found = _UPDATES.search(self.version)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Database:
    """What dpkg knows.

    Attributes:
        packages: by name.
        owners: the names of the packages that own a path, by the path as the root really has it
            (relative, `usr/bin/env`). Folders have many owners.
    """

    packages: Mapping[str, Package]
    owners: Mapping[str, frozenset[str]]


def read_database(folder: Path) -> Database:
    """What dpkg knows, as a root's `/var/lib/dpkg` has it.

    Args:
        folder: has copies of `status`, `diversions` and `info/*.list`, and a file `links` with
            `name target` lines: the symbolic links in `/`. What is missing counts as empty.
    """
    links = dict(line.split(" ", 1) for line in _lines(folder / "links"))
    owners: dict[str, set[str]] = defaultdict(set)
    for path in sorted((folder / "info").glob("*.list")):
        package = path.name.removesuffix(".list").partition(":")[0]
        owners[_INFO + path.name.removesuffix(".list")].add(package)
        for line in _lines(path):
            owners[_real(line, links)].add(package)
    _divert([_real(line, links) for line in _lines(folder / "diversions")], owners)
    return Database(
        {p.name: p for p in _packages("\n".join(_lines(folder / "status")))},
        {path: frozenset(names) for path, names in owners.items()},
    )


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return []
    return text.removesuffix("\n").split("\n") if text else []


def _real(path: str, links: Mapping[str, str]) -> str:
    """A path that a package names, where it is in a root in which `/bin` is a link to `usr/bin`."""
    first, slash, rest = path.removeprefix("/").partition("/")
    return f"{links[first].strip('/')}/{rest}" if slash and first in links else first + slash + rest


def _divert(lines: list[str], owners: dict[str, set[str]]) -> None:
    """Apply diversions: one package has the name, the others' file lies elsewhere."""
    for path, elsewhere, package in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
        moved = owners.pop(path, set())
        owners[path] = moved & {package}
        owners[elsewhere] |= moved - {package}


def _packages(status: str) -> Iterable[Package]:
    for paragraph in status.split("\n\n"):
        found = re.findall(r"^(Package|Source|Version): (\S+)", paragraph, re.MULTILINE)
        fields: dict[str, str] = dict(found)
        if name := fields.get("Package"):
            yield Package(name, fields.get("Source", name), fields.get("Version", ""))


class Split:
    """Says in which of a root's blobs an entry lies.

    Args:
        database: who owns what.
        sizes: bytes of each package's file, by its name.
        blobs: how many there may be, at least one.

    Attributes:
        top: the number of the topmost blob. Blobs are numbered from the bottom up; what was
            updated more often lies higher, as a runtime may fetch again all above what changed.
    """

    def __init__(self, database: Database, sizes: Mapping[str, int], blobs: int) -> None:
        self._database = database
        groups = group_sources(_source_sizes(database, sizes), blobs - 1) if blobs > 1 else {}
        updates: dict[str, int] = defaultdict(int)
        for package in database.packages.values():
            if package.source in groups:
                updates[groups[package.source]] += package.updates
        order = sorted(updates, key=lambda group: (updates[group], group))
        numbers = {group: number for number, group in enumerate(order)}
        self._numbers = {source: numbers[group] for source, group in groups.items()}
        self.top = len(order)

    def blob_of(self, entry: Entry) -> int:
        """The number of the blob that an entry lies in; of a hard link, that of its target."""
        name = entry.target if entry.type == "hardlink" else entry.name
        sources = {
            self._database.packages[owner].source
            for owner in self._database.owners.get(_described(name), frozenset())
            if owner in self._database.packages
        }
        return self._numbers.get(sources.pop(), self.top) if len(sources) == 1 else self.top


def _described(name: str) -> str:
    """The path whose owner owns `name` too, which was made for it or says something of it."""
    if name.startswith(_INFO):
        return name.rpartition(".")[0]
    if (match := _COMPILED.fullmatch(name)) is not None:
        return f"{match['folder']}{match['module']}.py"
    return name.removesuffix(_CACHE)


def _source_sizes(database: Database, sizes: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for package in database.packages.values():
        found[package.source] += sizes.get(package.name, 0)
    return found


def group_sources(sizes: Mapping[str, int], groups: int) -> dict[str, str]:
    """The name of the group that each source is in.

    Args:
        sizes: bytes by source.
        groups: how many there may be, at least one.
    """
    alone, small = groups // 2, groups // 5
    ranked = sorted(sizes, key=lambda source: (-sizes[source].bit_length(), source))
    found = {source: source for source in ranked[:alone]}
    for source in ranked[alone:]:
        if small and sizes[source] < _SMALL:
            found[source] = f"(small {_hash(source) % small})"
        else:
            found[source] = f"(middle {_hash(source) % (groups - alone - small)})"
    return found


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
