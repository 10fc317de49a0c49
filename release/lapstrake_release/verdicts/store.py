"""Verdicts beside images in a registry."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from lapstrake.errors import UserError
from lapstrake_release.beside.artifact import Artifact, Foreign, Subject
from lapstrake_release.beside.referrers import Found, Referrers
from lapstrake_release.verdicts.model import KIND, Verdict, parse, standing


def read(registry: Referrers, digest: str) -> tuple[Verdict, ...]:
    """Every verdict about a digest, also those that later ones override; the earliest first.

    Raises:
        UserError: the registry can't be reached, or a verdict can't be read.
    """
    return read_all(registry, [digest])[digest]


def read_all(registry: Referrers, digests: Collection[str]) -> dict[str, tuple[Verdict, ...]]:
    """`read` for several digests at once."""
    found = registry.attached(digests, KIND)
    return {digest: _parsed(registry, artifacts) for digest, artifacts in found.items()}


def give(registry: Referrers, verdict: Verdict) -> Verdict:
    """Store a verdict beside its image, and return it as it is stored.

    Where the same person's last word says the same already, that one is returned. The time of one
    from the command line is later than that of all their words before, also where a clock went
    back; that of a comment is GitHub's, whenever it is read.

    Raises:
        UserError: the registry has no such digest, can't be reached, or refuses.
    """
    manifest = registry.holder(verdict.digest)
    if manifest is None:
        raise UserError(f"{registry.repository} has no {verdict.digest}", "push the image first")
    theirs = [v for v in read(registry, verdict.digest) if _same_person(v, verdict)]
    if last := next(iter(standing(theirs)), None):
        if _says_the_same(last, verdict):
            # it may have been stored by one that failed before it was listed
            registry.mend(verdict.digest, KIND)
            return last
        if last.at >= verdict.at and not verdict.source:
            later = last.at + timedelta(microseconds=1)
            verdict = verdict.model_copy(update={"at": later})
    content = verdict.model_dump_json().encode()
    created = verdict.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    digest = registry.attach(Artifact(KIND, Subject.of(manifest), content, created))
    return verdict.model_copy(update={"artifact": digest})


def now() -> datetime:
    """The time, as verdicts have it."""
    return datetime.now(UTC)


def _parsed(registry: Referrers, artifacts: tuple[Found, ...]) -> tuple[Verdict, ...]:
    verdicts = [_one(registry, found) for found in artifacts]
    return tuple(sorted(verdicts, key=lambda v: v.order))


def _one(registry: Referrers, found: Found) -> Verdict:
    place = f"{registry.repository}@{found.digest}"
    try:
        verdict = parse(found.content, found.digest)
    except Foreign as error:
        hint = "is it that of a newer lapstrake?"
        raise UserError(
            f"{place} is a verdict that can't be read", hint, (error.message,)
        ) from None
    if verdict.digest != found.subject:
        raise UserError(f"{place} is a verdict about another image", f"it says {verdict.digest}")
    return verdict


def _same_person(one: Verdict, other: Verdict) -> bool:
    return one.by.casefold() == other.by.casefold()


def _says_the_same(one: Verdict, other: Verdict) -> bool:
    return (one.outcome, one.note, one.source) == (other.outcome, other.note, other.source)
