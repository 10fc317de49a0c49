"""`lapstrake.lock`: names, versions and hashes; never where they were found.

Anything here can be fetched from any mirror: what arrives is accepted by its hash alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

LOCK_NAME = "lapstrake.lock"
LOCK_VERSION = 1


class Locked(BaseModel):
    """What all parts of a lock have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Deb(Locked):
    """One Debian package.

    `path` is its place in the archive's pool and `archive` the suite that listed it
    (`bookworm`, `bookworm-security`): together with a mirror they make an address.
    """

    name: str
    version: str
    arch: str
    sha256: str
    size: int
    path: str
    archive: str

    @property
    def filename(self) -> str:
        """Its name in a local repository: unique, and sorted by package."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.arch}.deb"


class Wheel(Locked):
    """One wheel, or one source archive that is built to a wheel in the image's own Python.

    `name` is normalised (PEP 503); `size` is that of the file, in bytes.
    """

    name: str
    version: str
    filename: str
    sha256: str
    size: int

    @property
    def is_source(self) -> bool:
        """Whether it is a source archive."""
        return not self.filename.endswith(".whl")


class Resolution(Locked):
    """One agreement on versions: the family's, or that of one runtime set apart.

    `wheels` are sorted by name; `closures` maps an image to the sorted names of all wheels that
    it needs, those of the images below it included. `build` are the wheels that build the
    resolution's source archives (empty where it has none).
    """

    python: str
    glibc: str
    wheels: tuple[Wheel, ...]
    closures: dict[str, tuple[str, ...]]
    build: tuple[Wheel, ...] = ()

    def wheel(self, name: str) -> Wheel:
        """The wheel called `name`; `KeyError` where there is none."""
        for wheel in self.wheels:
            if wheel.name == name:
                return wheel
        raise KeyError(name)


class LockedProject(Locked):
    """One of the repository's own Python projects that images have: the wheels that build it.

    Nothing is said of its version and its files, which are as they are when it is built.
    """

    build: tuple[Wheel, ...]


class Lock(Locked):
    """The whole lock.

    Attributes:
        epoch: seconds since 1970 that stand for "when the OS packages were chosen".
        roots: packages of each bootstrapped root, by the image that begins with it.
        apt: packages that an image's `apt` adds over those below it, by image.
        images: digests (`sha256:…`) of images in registries, by the reference as written.
        resolutions: by name: `family`, and each runtime set apart.
        projects: the repository's own, by normalised name; they stand in closures too.
        inputs: what the lock was made from, by part; where it differs, the lock is stale.
    """

    version: Literal[1] = 1
    platform: str
    epoch: int
    roots: dict[str, tuple[Deb, ...]]
    apt: dict[str, tuple[Deb, ...]]
    images: dict[str, str]
    resolutions: dict[str, Resolution]
    projects: dict[str, LockedProject] = {}
    inputs: dict[str, dict[str, object]]
