"""Findings beside images in a registry."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC

from lapstrake.errors import UserError
from lapstrake_release.beside.artifact import Artifact, Foreign, Subject
from lapstrake_release.beside.referrers import Found, Referrers
from lapstrake_release.scan.model import KIND, Findings, parse


def latest(registry: Referrers, digest: str) -> Findings | None:
    """What the last scan of a digest found; None where none was stored.

    Raises:
        UserError: the registry can't be reached, or findings can't be read.
    """
    return latest_of_all(registry, [digest])[digest]


def latest_of_all(registry: Referrers, digests: Collection[str]) -> dict[str, Findings | None]:
    """`latest` for several digests at once."""
    found = registry.attached(digests, KIND)
    return {digest: _last(registry, artifacts) for digest, artifacts in found.items()}


def store(registry: Referrers, findings: Findings) -> Findings:
    """Store findings beside their image, and return them as they are stored.

    Raises:
        UserError: the registry has no such digest, can't be reached, or refuses.
    """
    manifest = registry.holder(findings.digest)
    if manifest is None:
        raise UserError(f"{registry.repository} has no {findings.digest}", "push the image first")
    created = findings.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    content = findings.model_dump_json().encode()
    digest = registry.attach(Artifact(KIND, Subject.of(manifest), content, created))
    return findings.model_copy(update={"artifact": digest})


def _last(registry: Referrers, artifacts: tuple[Found, ...]) -> Findings | None:
    found = [_one(registry, artifact) for artifact in artifacts]
    return max(found, key=lambda f: (f.at, f.artifact), default=None)


def _one(registry: Referrers, found: Found) -> Findings:
    place = f"{registry.repository}@{found.digest}"
    try:
        findings = parse(found.content, found.digest)
    except Foreign as error:
        hint = "is it that of a newer lapstrake?"
        raise UserError(
            f"{place} holds findings that can't be read", hint, (error.message,)
        ) from None
    if findings.digest != found.subject:
        raise UserError(f"{place} holds findings of another image", f"it says {findings.digest}")
    return findings
