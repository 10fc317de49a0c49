"""Verdicts in every registry that has the image, so that each can be promoted from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lapstrake.definition.repository import Repository as Definition
from lapstrake.errors import UserError
from lapstrake.version import Version
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.published import Published, published
from lapstrake_release.verdicts.model import Verdict
from lapstrake_release.verdicts.store import give, read


def agreed(
    registries: Sequence[Referrers],
    definition: Definition,
    version: Version,
    images: Collection[str] = (),
) -> tuple[Published, ...]:
    """The images of a version as the first registry has them; all have the same.

    Raises:
        UserError: there is no such version or image, or two registries hold different ones.
    """
    first, *others = (published(r, definition, version, images) for r in registries)
    digests = {p.image: p for p in first}
    for place in (p for found in others for p in found):
        one = digests.get(place.image)
        if one is not None and one.digest != place.digest:
            raise UserError(
                f"{place.image} {version} is not the same in all registries",
                "release it again, or name one with --registry",
                tuple(f"{p.repository}: {p.digest}" for p in (one, place)),
            )
    return first


def give_everywhere(registries: Sequence[Referrers], verdict: Verdict) -> Verdict:
    """Store a verdict in each registry, and return it as the first has it.

    Raises:
        UserError: a registry refuses, or has no such digest; what the ones before it have stays,
            and giving it again adds what is missing.
    """
    first, *others = registries
    stored = give(first, verdict)
    for registry in others:
        give(registry, stored)
    return stored


def lacking(registries: Sequence[Referrers], verdict: Verdict) -> list[Referrers]:
    """The registries that don't have yet what a comment says."""
    return [r for r in registries if not _has(r, verdict)]


def _has(registry: Referrers, verdict: Verdict) -> bool:
    theirs = read(registry, verdict.digest)
    return any((v.source, v.image) == (verdict.source, verdict.image) for v in theirs)
