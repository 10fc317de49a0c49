"""What a registry has of a version: each image's tag, and the digest that it holds now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from lapstrake.definition.repository import Repository as Definition
from lapstrake.errors import UserError
from lapstrake.plan.tags import release_tag
from lapstrake.registry.repository import Repository
from lapstrake.version import Version, version_or_none
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.names import Names

# So many versions are named where the one that is asked for isn't there.
_NAMED = 5


@dataclass(frozen=True)
class Published:
    """One image of a version in one repository."""

    image: str
    version: Version
    repository: Repository
    tag: str
    digest: str

    @property
    def pinned(self) -> str:
        """`HOST/PATH:TAG@sha256:…`: by tag for a person, by digest for the machine."""
        return f"{self.repository}:{self.tag}@{self.digest}"


def find_repositories(
    definition: Definition, registries: Sequence[str] = ()
) -> tuple[Repository, ...]:
    """Where the family's images lie: below `registries`, or those of the release's settings.

    Raises:
        UserError: there is none, or a name is none.
    """
    places = tuple(registries) or tuple(definition.release.registries)
    if not places:
        raise UserError(
            "nothing says in which registry the images are",
            "lapstrake.yaml: release.registries; or --registry HOST[:PORT][/PATH]",
        )
    return tuple(Repository.parse(f"{place}/{definition.family.name}") for place in places)


def chosen_images(definition: Definition, names: Collection[str] = ()) -> tuple[str, ...]:
    """The images that are meant: those named, or all that are built where none is; by name.

    Raises:
        UserError: there is no such image.
    """
    for name in names:
        definition.image(name)
    return tuple(sorted(set(names) or definition.default))


def published(
    registry: Referrers, definition: Definition, version: Version, images: Collection[str] = ()
) -> tuple[Published, ...]:
    """The images of a version, each with the digest that its tag has now.

    Args:
        images: which; by default all that the version has.

    Raises:
        UserError: there is no such version, or it lacks an image that is named.
    """
    names = chosen_images(definition, images)
    tags = [release_tag(definition, n, version.ours) for n in names]
    digests = registry.each(tags, registry.digest)
    found = tuple(
        Published(name, version, registry.repository, tag, digest)
        for name, tag, digest in zip(names, tags, digests, strict=True)
        if digest
    )
    missing = [t for t, d in zip(tags, digests, strict=True) if not d]
    if missing and (images or not found):
        raise _missing(registry, definition, version, missing)
    return found


def versions_in(names: Iterable[str], definition: Definition) -> dict[Version, frozenset[str]]:
    """The images of each version, by the names that a repository has; the newest version first."""
    marks = {i: release_tag(definition, i, "\0").removeprefix("\0") for i in definition.default}
    found: dict[Version, set[str]] = {}
    for name in names:
        # artifacts and records of channels, of which there may be many
        for image, mark in () if name.startswith("_") else marks.items():
            version = _version_of(name, mark)
            if version is not None:
                found.setdefault(version, set()).add(image)
    return {v: frozenset(found[v]) for v in sorted(found, reverse=True)}


def _version_of(name: str, mark: str) -> Version | None:
    """Of which version a tag is that ends with an image's mark; None where it is no such tag."""
    if not name.endswith(mark):
        return None
    text = name.removesuffix(mark) if mark else name
    version = version_or_none(text)
    # another spelling is no name that a release gives
    return version if version is not None and version.ours == text else None


def _missing(
    registry: Names, definition: Definition, version: Version, tags: Sequence[str]
) -> UserError:
    have = versions_in(registry.names(), definition)
    if version in have:
        hint = f"it has {', '.join(sorted(have[version]))}"
        return UserError(f"{registry.repository} has no {tags[0]}", hint)
    newest = ", ".join(str(v) for v in list(have)[:_NAMED])
    hint = f"it has {newest}" if newest else "it has no version at all: release one first"
    return UserError(f"{registry.repository} has no version {version}", hint)
