"""What lies in layers: files, and the packages that they make up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from lapstrake.layers.table import read_content, read_rows
from lapstrake.layers.tarread import WHITEOUT, blamed, layer_members

STATUS = "var/lib/dpkg/status"

_INFO = re.compile(
    r"(?:.*/)?(?:site|dist)-packages/(?P<name>[^/]+)-(?P<version>[^/-]+)\.dist-info/METADATA"
)
# Python packages that Debian's own packages put there
_DEBIANS = "usr/lib/python3/dist-packages/"
_LIST = re.compile(r"var/lib/dpkg/info/(?P<name>[^/:]+)(?::[^/]*)?\.list")
_SITE = re.compile(r"(.*/(?:site|dist)-packages/[^/]+)/")


@dataclass(frozen=True, order=True)
class Package:
    """An installed package; `system` is `debian` or `python`."""

    system: str
    name: str


@dataclass(frozen=True)
class PackageChange:
    """A package that came (no `before`), went (no `after`), or has another version."""

    package: Package
    before: str
    after: str

    def __str__(self) -> str:
        name = f"{self.package.system} {self.package.name}"
        if self.before and self.after:
            return f"~ {name} {self.before} → {self.after}"
        return f"{'-' if self.before else '+'} {name} {self.before or self.after}"

    def to_json(self) -> dict[str, str]:
        """As `lapstrake diff` prints it: A is before B."""
        name = {"system": self.package.system, "name": self.package.name}
        return name | {"a": self.before, "b": self.after}


def package_changes(
    before: Mapping[Package, str], after: Mapping[Package, str]
) -> tuple[PackageChange, ...]:
    """What became of packages, each with its versions; sorted by package."""
    return tuple(
        PackageChange(p, before.get(p, ""), after.get(p, ""))
        for p in sorted(before.keys() | after.keys())
        if before.get(p) != after.get(p)
    )


@dataclass(frozen=True)
class LayerFile:
    """An entry of a layer that is no folder: `size` bytes, permission bits, a link's target."""

    path: str
    type: str
    size: int
    mode: int
    target: str


def list_files(blob: Path) -> tuple[LayerFile, ...]:
    """A layer's entries but its folders, in their order; by its table where it has one.

    Raises:
        UserError: the layer can't be read.
    """
    rows = read_rows(blob)
    if rows is None:
        found = (m.entry for m in layer_members(blob))
        return tuple(
            LayerFile(e.name, e.type, e.size, e.mode, e.target) for e in found if e.type != "dir"
        )
    kinds = {"reg": "file"}
    return tuple(
        LayerFile(
            str(r["name"]),
            kinds.get(str(r["type"]), str(r["type"])),
            int(r.get("size", 0)),
            int(r["mode"]),
            str(r.get("linkName", "")),
        )
        for r in rows
        if r["type"] not in {"dir", "chunk"}
    )


def read_file(blob: Path, path: str) -> bytes | None:
    """One file's content; None where the layer lacks it."""
    rows = read_rows(blob)
    if rows is not None:
        row = next((r for r in rows if r["name"] == path and r["type"] == "reg"), None)
        return None if row is None else read_content(blob, row)
    with blamed(blob):
        for member in layer_members(blob):
            if member.entry.name == path and member.content is not None:
                return member.content.read()
    return None


def packages_of(layers: Sequence[Path]) -> dict[Package, str]:
    """The packages of an image (its layers' blobs, bottom up) and their versions."""
    found: dict[str, tuple[Package, str]] = {}
    status: bytes | None = None
    for blob in layers:
        files = list_files(blob)
        _remove_whited_out(found, files)
        for file in files:
            if named := python_package(file.path):
                found[file.path] = named
        if any(f.path == STATUS for f in files):
            status = read_file(blob, STATUS)
    versions: dict[Package, set[str]] = {}
    for package, version in (*found.values(), *debian_packages(status or b"")):
        versions.setdefault(package, set()).add(version)
    return {p: ", ".join(sorted(v)) for p, v in sorted(versions.items())}


def _remove_whited_out(found: dict[str, tuple[Package, str]], files: Iterable[LayerFile]) -> None:
    """Forget packages whose files a layer removes, or replaces as a whole (an opaque folder)."""
    for file in files:
        folder, _, name = file.path.rpartition("/")
        if not name.startswith(WHITEOUT):
            continue
        is_opaque = name == f"{WHITEOUT}{WHITEOUT}.opq"
        gone = folder if is_opaque else f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/")
        for path in [p for p in found if p == gone or p.startswith(f"{gone}/")]:
            del found[path]


def python_package(path: str) -> tuple[Package, str] | None:
    """The package and version that a `METADATA` file's path tells."""
    match = _INFO.fullmatch(path)
    if match is None or path.startswith(_DEBIANS):
        return None
    return Package("python", canonicalize_name(match["name"])), match["version"]


def debian_packages(status: bytes) -> Iterator[tuple[Package, str]]:
    """The installed packages of a dpkg status file."""
    for paragraph in status.decode(errors="replace").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed") and "Version" in fields:
            yield Package("debian", fields.get("Package", "")), fields["Version"]


def layer_packages(files: Iterable[LayerFile], image: dict[Package, str]) -> dict[Package, str]:
    """The packages that one layer brings; Debian's versions are those of the whole image."""
    found = {}
    for file in files:
        if named := python_package(file.path):
            found[named[0]] = named[1]
        elif match := _LIST.fullmatch(file.path):
            package = Package("debian", match["name"])
            if package in image:
                found[package] = image[package]
    return dict(sorted(found.items()))


def largest_folders(files: Iterable[LayerFile], most: int) -> list[tuple[str, int]]:
    """Where a layer's bytes are: packages in site-packages, else folders two deep."""
    sizes: dict[str, int] = {}
    for file in files:
        match = _SITE.match(file.path)
        folder = match[1] if match else "/".join(file.path.split("/")[:-1][:2]) or "/"
        sizes[folder] = sizes.get(folder, 0) + file.size
    ordered = sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(folder, size) for folder, size in ordered if size][:most]
