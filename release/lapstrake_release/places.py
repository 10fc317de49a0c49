"""Names in registries: which an image gets, what holds them now, and what that means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from lapstrake.errors import UserError
from lapstrake.registry.client import sha256_of
from lapstrake.registry.repository import Repository
from lapstrake.version import Version, version_or_none

# What there is to do about a name: nothing; give it; move it from a pre-release; leave it to the
# release that has it; refuse, since it holds something else for good.
Verdict = Literal["same", "new", "moves", "kept", "taken"]

_LONGEST = 128
_VERSION = "org.opencontainers.image.version"


@dataclass(frozen=True)
class Names:
    """The public names of one image; `digest` is empty where it isn't built yet.

    `own` begin with the version; `descriptive` say what is in the image, whatever its version.
    """

    image: str
    digest: str
    own: tuple[str, ...]
    descriptive: tuple[str, ...]

    @classmethod
    def of(cls, image: str, digest: str, tags: Iterable[str], version: str) -> Names:
        """Tell an image's tags apart; `version` is what its own ones begin with."""
        tags = tuple(tags)
        own = tuple(t for t in tags if t == version or t.startswith(f"{version}-"))
        return cls(image, digest, own, tuple(t for t in tags if t not in own))

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, its own first."""
        return (*self.own, *self.descriptive)

    def candidate(self, version: str, number: int) -> str:
        """The temporary name under which it is pushed first.

        Raises:
            UserError: it would be longer than a registry takes.
        """
        name = f"{version}-candidate.{number}{self.own[0].removeprefix(version)}"
        if len(name) > _LONGEST:
            raise UserError(f"{name} is too long for a tag", f"shorten the name of {self.image}")
        return name


@dataclass(frozen=True)
class Place:
    """One name of one image in one repository, and what it is to hold."""

    repository: Repository
    name: str
    image: str
    digest: str
    descriptive: bool

    def __str__(self) -> str:
        return f"{self.repository}:{self.name}"


def places(repositories: Iterable[Repository], images: Iterable[Names]) -> list[Place]:
    """Every public name everywhere; a plain `<version>`, which people ask for most, comes last."""
    found = [
        Place(r, name, i.image, i.digest, name in i.descriptive)
        for r in repositories
        for i in images
        for name in i.all
    ]
    return sorted(found, key=lambda p: (not p.descriptive and "-" not in p.name, str(p)))


def verdict(place: Place, there: bytes | None, version: Version) -> Verdict:
    """What to do about a place that holds the manifest `there`.

    A final version's names never move. A descriptive name outlives versions: the release that has
    it keeps it, and only a pre-release gives it up.
    """
    if there is None:
        return "new"
    if sha256_of(there) == place.digest:
        return "same"
    if place.descriptive:
        return "moves" if _is_prerelease(there) else "kept"
    return "moves" if version.is_prerelease else "taken"


def _is_prerelease(manifest: bytes) -> bool:
    """Whether what a name holds says of itself that it is one."""
    try:
        found = version_or_none(json.loads(manifest)["annotations"][_VERSION])
    except (ValueError, LookupError, TypeError):
        return False
    return found is not None and found.is_prerelease


def candidate_names(names: Iterable[str], version: str) -> Iterator[tuple[str, int]]:
    """Those that are temporary names of a version, each with its number."""
    form = re.compile(rf"{re.escape(version)}-candidate\.([1-9][0-9]*)(?:-.+)?")
    for name in names:
        if found := form.fullmatch(name):
            yield name, int(found[1])
