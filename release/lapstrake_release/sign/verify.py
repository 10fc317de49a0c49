"""Whether images are signed by who should have."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lapstrake.definition.qa import SignSpec
from lapstrake.errors import UserError
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.sign import cosign, github


def unsigned(
    registry: Referrers, digests: Collection[str], spec: SignSpec, root: Path
) -> dict[str, UserError]:
    """The digests that are not signed as the settings ask, each with what is wrong.

    Args:
        registry: has the images; what verifies them asks it itself, with Docker's logins.
        root: where the path of a key begins.

    Raises:
        UserError: what verifies is not installed, or has no key.
    """
    repository, wanted = registry.repository, sorted(digests)

    def check(digest: str) -> UserError | None:
        place = f"{repository}@{digest}"
        if spec.by == "github":
            return github.verify(place, spec)
        return cosign.verify(place, repository, spec, root)

    found = registry.each(wanted, check)
    return {digest: error for digest, error in zip(wanted, found, strict=True) if error}
