"""What a repository has that no channel, no number and no version holds."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lapstrake.version import version_or_none
from lapstrake_release.beside.artifact import descriptors_in, read_tag
from lapstrake_release.channels import tags
from lapstrake_release.channels.claim import living
from lapstrake_release.channels.history import read_lines
from lapstrake_release.channels.record import Move
from lapstrake_release.channels.registry import ChannelRegistry

_CANDIDATE = re.compile(r"(?P<version>[^-]+)-candidate\.[1-9][0-9]*(?P<suffix>-.+)?")
# what is about an image by its digest: the index of its artifacts, cosign's signatures
_ABOUT = re.compile(r"sha256-(?P<hex>[0-9a-f]{64})(?:\..+)?")
# layers that builds share: they come and go with `lapstrake cache`
_LAYER = re.compile(r"layer-[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class Loose:
    """One name that nothing needs.

    Attributes:
        why: it can go.
        alone: whether only the name goes, since what it holds has other names.
    """

    name: str
    digest: str
    why: str
    alone: bool = False


def find_loose(
    registry: ChannelRegistry, channels: Iterable[str], keep: Sequence[str] = ()
) -> tuple[Loose, ...]:
    """Every name that can go, sorted.

    Args:
        registry: where.
        channels: those of the settings; others that have records there are held as well.
        keep: patterns, as a shell has them, of names that are to stay.

    Raises:
        UserError: the registry can't be reached, or a record can't be read.
    """
    names = registry.names()
    found = _Repository(registry, names, channels)
    loose = [*found.candidates(), *found.claims(), *found.undone()]
    loose += found.others({x.name for x in loose}, keep)
    loose += found.about({x.digest for x in loose if not x.alone})
    return tuple(sorted(x for x in loose if not _kept(x.name, keep)))


def remove(registry: ChannelRegistry, loose: Collection[Loose], job: str) -> tuple[Loose, ...]:
    """Delete names; which of them were deleted, since each must still hold what it held.

    Raises:
        Refused: the registry takes no deletions; nothing was touched.
        UserError: it can't be reached.
    """
    ordered = sorted(loose)
    now = registry.each(ordered, lambda x: registry.digest(x.name))
    same = [x for x, digest in zip(ordered, now, strict=True) if x.digest == digest]
    registry.remove([x.name for x in same if x.alone], job)
    for digest in sorted({x.digest for x in same if not x.alone}):
        registry.delete(digest)
    return tuple(same)


class _Repository:
    """The names of a repository, and what holds what."""

    def __init__(
        self, registry: ChannelRegistry, names: Sequence[str], channels: Iterable[str]
    ) -> None:
        self._registry = registry
        self._names = names
        known = {*channels, *(c for _, c, _ in tags.records(names))}
        heads = {c: registry.head(c) for c in sorted(known)}
        self._heads: dict[str, Move] = {c: h for c, h in heads.items() if h is not None}
        self._versions = [n for n in names if _is_version(n)]
        self._numbered = [n for n, c, _ in tags.numbers(names) if c in self._heads]
        self._moving = [tags.moving(c, i.suffix) for c, h in self._heads.items() for i in h.images]
        self._held: set[str] | None = None

    def candidates(self) -> Iterator[Loose]:
        """Temporary names that a release has left behind; one that isn't finished needs them."""
        for name in self._names:
            found = _CANDIDATE.fullmatch(name)
            if found and f"{found['version']}{found['suffix'] or ''}" in self._versions:
                why = f"a temporary name of {found['version']}, which is released"
                yield Loose(name, self._registry.digest(name), why, alone=True)

    def claims(self) -> Iterator[Loose]:
        """Claims to moves that are over, and of movers that are dead."""
        for name, channel, number in tags.all_claims(self._names):
            head = self._heads.get(channel)
            over = head is not None and (head.number > number or head.is_over)
            next_one = head is None or number > head.number
            if (over and not next_one) or not self._is_claimed(channel, number, name):
                yield Loose(name, self._registry.digest(name), "a claim to a move that is over")

    def undone(self) -> Iterator[Loose]:
        """Numbered tags of moves that were undone."""
        for channel, head in self._heads.items():
            lines = read_lines(self._registry, head)
            numbers = {x.number for x in lines if x.state == "undone"}
            for name, its, number in tags.numbers(self._names):
                if its == channel and number in numbers and not name.startswith("_"):
                    why = f"move {number} of {channel} was undone"
                    yield Loose(name, self._registry.digest(name), why, alone=True)

    def others(self, but: Collection[str], keep: Sequence[str]) -> Iterator[Loose]:
        """Names of images that nothing else holds."""
        known = {*but, *self._versions, *self._numbered, *self._moving}
        rest = [n for n in self._names if n not in known and not _is_ours(n)]
        for name, digest in self._digests(rest):
            if digest not in self._all_held(n for n in rest if _kept(n, keep)):
                yield Loose(name, digest, "no channel, number or version has it")

    def about(self, going: Collection[str]) -> Iterator[Loose]:
        """Verdicts, findings and signatures of images that are gone, or go."""
        about = [(n, s) for n in self._names if (s := _subject(n))]
        subjects = sorted({s for _, s in about})
        there = dict(self._digests(subjects))
        for name, subject in about:
            if subject in going or subject not in there:
                yield Loose(name, self._registry.digest(name), f"about {subject[:19]}…, no image")

    def _all_held(self, kept: Iterable[str]) -> set[str]:
        """The digests that channels, numbers, versions and kept names hold."""
        if self._held is None:
            names = [*self._versions, *self._numbered, *self._moving, *kept]
            named = {d for _, d in self._digests([n for n in names if not n.startswith("_")])}
            records = {i.digest for h in self._heads.values() for i in h.images}
            self._held = named | records | self._children(named)
        return self._held

    def _children(self, digests: Iterable[str]) -> set[str]:
        """What indexes among them name."""
        listed = self._registry.each(sorted(digests), self._registry.holder)
        return {str(d["digest"]) for data in listed if data for d in descriptors_in(data)}

    def _digests(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Each name with what it holds; without those that hold nothing any more."""
        found = self._registry.each(names, self._registry.digest)
        return [(n, d) for n, d in zip(names, found, strict=True) if d]

    def _is_claimed(self, channel: str, number: int, name: str) -> bool:
        return any(c.tag == name for c in living(self._registry, channel, number))


def _is_version(name: str) -> bool:
    """Whether a name is a version's, as a release gives them."""
    if _CANDIDATE.fullmatch(name):
        return False
    text = name.partition("-")[0]
    version = version_or_none(text)
    return version is not None and version.ours == text


def _is_ours(name: str) -> bool:
    """Whether a name is judged otherwise, or isn't an image's."""
    return (
        name.startswith("_")
        or _CANDIDATE.fullmatch(name) is not None
        or _ABOUT.fullmatch(name) is not None
        or _LAYER.fullmatch(name) is not None
    )


def _subject(name: str) -> str:
    """The digest that a name is about; empty where it isn't about one."""
    if tag := read_tag(name):
        return tag.subject
    found = _ABOUT.fullmatch(name)
    return f"sha256:{found['hex']}" if found else ""


def _kept(name: str, keep: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in keep)
