"""Verdicts beside images in a registry."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from lapstrake_release.beside.document import read_documents, store_document
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.verdicts.model import KIND, Verdict, standing


def read(registry: Referrers, digest: str) -> tuple[Verdict, ...]:
    """Every verdict about a digest, also those that later ones override; the earliest first.

    Raises:
        UserError: the registry can't be reached, or a verdict can't be read.
    """
    return read_all(registry, [digest])[digest]


def read_all(registry: Referrers, digests: Collection[str]) -> dict[str, tuple[Verdict, ...]]:
    """`read` for several digests at once."""
    return read_documents(registry, digests, KIND, Verdict)


def give(registry: Referrers, verdict: Verdict) -> Verdict:
    """Store a verdict beside its image, and return it as it is stored.

    Where the same person's last word says the same already, that one is returned. The time of one
    from the command line is later than that of all their words before, also where a clock went
    back; that of a comment is GitHub's, whenever it is read.

    Raises:
        UserError: the registry has no such digest, can't be reached, or refuses.
    """
    theirs = [v for v in read(registry, verdict.digest) if _same_person(v, verdict)]
    if last := next(iter(standing(theirs)), None):
        if _says_the_same(last, verdict):
            # it may have been stored by one that failed before it was listed
            registry.mend(verdict.digest, KIND)
            return last
        if last.at >= verdict.at and not verdict.source:
            later = last.at + timedelta(microseconds=1)
            verdict = verdict.model_copy(update={"at": later})
    return store_document(registry, KIND, verdict)


def now() -> datetime:
    """The time, as verdicts have it."""
    return datetime.now(UTC)


def _same_person(one: Verdict, other: Verdict) -> bool:
    return one.by.casefold() == other.by.casefold()


def _says_the_same(one: Verdict, other: Verdict) -> bool:
    return (one.outcome, one.note, one.source) == (other.outcome, other.note, other.source)
