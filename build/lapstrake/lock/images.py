"""The digests of images in registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.lock.inputs import references
from lapstrake.skopeo import digest_at


def lock_images(
    repo: Repository,
    old: Mapping[str, str],
    *,
    upgrade: bool,
    progress: Callable[[str], None],
) -> dict[str, str]:
    """The digest of each image that the definition refers to, by the reference as written.

    Args:
        repo: the definition.
        old: digests of an earlier lock, which are kept without `upgrade`.
        upgrade: ask the registries again.
        progress: told what goes on.

    Raises:
        UserError: a registry doesn't answer, refuses, or has no such image.
    """
    found: dict[str, str] = {}
    for reference in references(repo):
        _, at, digest = reference.partition("@")
        if at:
            found[reference] = digest
        elif reference in old and not upgrade:
            found[reference] = old[reference]
        else:
            progress(f"asking for the digest of {reference}")
            found[reference] = registry_digest(reference)
    return found


def registry_digest(reference: str) -> str:
    """The digest of what a registry has under a reference; `UserError` where it has nothing."""
    found = digest_at(reference)
    if not found:
        raise UserError(
            f"{reference}: the registry has no such image", "check the reference's name and tag"
        )
    return found
