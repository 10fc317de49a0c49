"""A client of one repository that stores artifacts beside images, and finds them again.

A registry with the referrers API lists them itself. For the others the specification has an index
under a tag made of the digest, which every writer rewrites: of two at once, one is lost. So the
artifacts' own tags count as well, and each writer puts back what the index lacks.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx

from lapstrake.errors import UserError
from lapstrake.registry.client import Damaged, sha256_of
from lapstrake.registry.repository import Repository
from lapstrake.share.transfers import all_at_once
from lapstrake_release.beside.artifact import (
    EMPTY,
    EMPTY_TYPE,
    INDEX,
    Artifact,
    Foreign,
    Json,
    Kind,
    content_of,
    descriptors_in,
    fallback_tag,
    index_of,
    is_about,
    listed,
    read_tag,
    short,
)
from lapstrake_release.names import Names

T = TypeVar("T")
U = TypeVar("U")

_NO_SUCH_API = {400, 404, 405, 501}
_INDEX_TRIES = 5


@dataclass(frozen=True)
class Found:
    """An artifact as a registry has it: its own digest, and its document."""

    digest: str
    subject: str
    content: bytes


class Referrers(Names):
    """See above, and `Names`."""

    _has_api: bool | None = None

    def attach(self, artifact: Artifact) -> str:
        """Have an artifact beside its subject, which is there; its digest.

        The same one again changes nothing.

        Raises:
            UserError: the registry can't be reached, or refuses.
        """
        data = artifact.manifest
        for blob in (EMPTY, artifact.content):
            self.upload(sha256_of(blob), blob)
        headers = self.put_manifest(artifact.tag, data)
        if headers.get("OCI-Subject") != artifact.subject.digest:
            self._list(artifact.kind, artifact.subject.digest)
        return artifact.digest

    def mend(self, subject: str, kind: Kind) -> None:
        """Have all of a kind about a digest listed, also what a writer that failed left out."""
        self._referrers(subject, kind)
        if not self._has_api:
            self._list(kind, subject)

    def attached(self, subjects: Collection[str], kind: Kind) -> dict[str, tuple[Found, ...]]:
        """The artifacts of a kind beside each of some digests, sorted by their own digest.

        Raises:
            UserError: the registry can't be reached, or one of ours can't be read.
        """
        digests = self._digests(subjects, kind)
        wanted = [(s, d) for s in sorted(digests) for d in sorted(digests[s])]
        found = [f for f in self.each(wanted, lambda w: self._read(kind, *w)) if f]
        return {s: tuple(f for f in found if f.subject == s) for s in subjects}

    def each(self, items: Sequence[U], work: Callable[[U], T]) -> list[T]:
        """What `work` makes of each, some at a time; in their order."""
        done: dict[int, T] = {}

        def one(at: int) -> Callable[[], None]:
            return lambda: done.update({at: work(items[at])})

        if len(items) < 2:
            return [work(i) for i in items]
        all_at_once([one(at) for at in range(len(items))], self.end)
        return [done[at] for at in range(len(items))]

    def _digests(self, subjects: Collection[str], kind: Kind) -> dict[str, set[str]]:
        """Of the artifacts that may be of a kind, by subject."""
        first, *others = sorted(subjects) or [""]
        if not first:
            return {}
        # the first answer says whether the registry knows of referrers
        known = [self._referrers(first, kind)]
        if self._has_api:
            known += self.each(others, lambda s: self._referrers(s, kind))
        else:
            known = self.each([first, *others], self._indexed)
        # these count as well where the registry has learned of referrers since they were written
        tagged = self._tagged(kind)
        return {
            subject: self._resolved(digests, tagged.get(subject, set()))
            for subject, digests in zip((first, *others), known, strict=True)
        }

    def _referrers(self, subject: str, kind: Kind) -> set[str]:
        """What the registry itself lists; nothing where it can't."""
        url = httpx.URL(f"{self.repository.url}/referrers/{subject}")
        place: httpx.URL | None = url.copy_merge_params({"artifactType": kind.type})
        found: set[str] = set()
        while place is not None:
            answer = self._ask_referrers(place)
            if answer is None:
                self._has_api = bool(self._has_api)
                return found
            self._has_api = True
            found |= _of_kind(descriptors_in(answer.content), kind)
            place = self.next_page(answer)
        return found

    def _ask_referrers(self, place: httpx.URL) -> httpx.Response | None:
        def ask() -> httpx.Response | None:
            answer = self._http.get(place, headers={"Accept": INDEX}, auth=self._auth)
            if answer.status_code in _NO_SUCH_API:
                return None
            self._check(answer, {200})
            kind = answer.headers.get("Content-Type", "").partition(";")[0]
            return answer if kind in {INDEX, "application/json"} else None

        return self._patiently(ask)

    def _indexed(self, subject: str) -> set[str]:
        """What the fallback's index lists, of whatever kind."""
        index = self.holder(fallback_tag(subject))
        return {str(d["digest"]) for d in descriptors_in(index)} if index else set()

    def _tagged(self, kind: Kind) -> dict[str, set[str]]:
        """The names of a kind's artifacts, by subject."""
        found: dict[str, set[str]] = {}
        for name in self.names():
            tag = read_tag(name)
            if tag is not None and tag.kind == kind.name:
                found.setdefault(tag.subject, set()).add(name)
        return found

    def _resolved(self, digests: set[str], names: Iterable[str]) -> set[str]:
        """The digests, and those of names that an index lacks."""
        known = {short(d) for d in digests}
        lacking = [n for n in sorted(names) if (t := read_tag(n)) and t.own not in known]
        return digests | {d for d in self.each(lacking, self.digest) if d}

    def _read(self, kind: Kind, subject: str, digest: str) -> Found | None:
        """An artifact; None where it is about something else, or gone."""
        data = self.holder(digest)
        if data is None:
            return None
        try:
            manifest: Json = json.loads(data)
            if not is_about(manifest, kind, subject):
                return None
            return Found(digest, subject, self.small_blob(*content_of(manifest)))
        except (ValueError, AttributeError, Foreign, Damaged) as error:
            said = error.message if isinstance(error, UserError) else "it is no JSON"
            place = f"{self.repository}@{digest}"
            raise UserError(
                f"{place} is a {kind.name} that can't be read: {said}",
                f"if it is worth nothing, delete it there; it is about {subject}",
            ) from None

    def _list(self, kind: Kind, subject: str) -> None:
        """Have everything of a kind about a subject in the fallback's index.

        Another writer may put its own index over ours at any time; what it leaves out is found by
        its tag until somebody puts it back.
        """
        for _ in range(_INDEX_TRIES):
            index = self.holder(fallback_tag(subject))
            there = descriptors_in(index) if index else []
            known = {str(d["digest"]) for d in there}
            names = self._tagged(kind).get(subject, set())
            lacking = self._resolved(known, names) - known
            if not lacking:
                return
            new = [listed(m) for d in sorted(lacking) if (m := self.holder(d))]
            # a registry takes no index that lists what was deleted
            held = self.each(there, lambda d: self.holder(str(d["digest"])) is not None)
            kept = [d for d, is_there in zip(there, held, strict=True) if is_there]
            self.put_manifest(fallback_tag(subject), index_of([*kept, *new]), INDEX)


@contextlib.contextmanager
def opened(repositories: Iterable[Repository]) -> Iterator[tuple[Referrers, ...]]:
    """A client of each repository, as long as the context lasts."""
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(Referrers(r)) for r in repositories)


def _of_kind(descriptors: Iterable[Json], kind: Kind) -> set[str]:
    """Those that may be of a kind: not every registry filters; some say the config's type."""
    types = {None, kind.type, EMPTY_TYPE}
    return {str(d["digest"]) for d in descriptors if d.get("artifactType") in types}
