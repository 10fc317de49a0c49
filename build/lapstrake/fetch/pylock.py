"""Reading pylock.toml (PEP 751), as uv writes it: packages and where their files are."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from lapstrake.errors import UserError


@dataclass(frozen=True)
class Address:
    """One file of a package: `sha256` and `size` are None where the index doesn't say."""

    filename: str
    url: str
    sha256: str | None
    size: int | None

    @property
    def path(self) -> Path | None:
        """The file's path, where it is one of this machine."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None


@dataclass(frozen=True)
class Package:
    """One package: its wheels for the target, and its source archive."""

    name: str
    version: str
    wheels: tuple[Address, ...]
    sdist: Address | None

    @property
    def files(self) -> tuple[Address, ...]:
        """The wheels, then the source archive."""
        return (*self.wheels, self.sdist) if self.sdist else self.wheels


def read_pylock(text: str) -> tuple[Package, ...]:
    """The packages, sorted by name; without those that are folders of this machine.

    Raises:
        UserError: a package is no wheel and no source archive of an index.
    """
    packages = [p for p in tomllib.loads(text).get("packages", []) if "directory" not in p]
    return tuple(sorted((_package(p) for p in packages), key=lambda p: p.name))


def _package(value: dict[str, object]) -> Package:
    name = str(value["name"])
    wheels, sdist = value.get("wheels", []), value.get("sdist")
    found = [_address(w) for w in (wheels if isinstance(wheels, list) else [])]
    source = _address(sdist) if isinstance(sdist, dict) else None
    if not found and source is None:
        raise UserError(f"{name}: the index has no file of it that a lock can name")
    return Package(canonicalize_name(name), str(value.get("version", "")), tuple(found), source)


def _address(value: dict[str, object]) -> Address:
    url = value.get("url")
    if url is None:
        url = Path(str(value["path"])).absolute().as_uri()
    hashes, size = value.get("hashes"), value.get("size")
    name = str(value.get("name") or unquote(urlsplit(str(url)).path.rpartition("/")[2]))
    return Address(
        filename=name,
        url=str(url),
        sha256=hashes.get("sha256") if isinstance(hashes, dict) else None,
        size=size if isinstance(size, int) else None,
    )
