"""Findings beside images in a registry."""

from __future__ import annotations

from collections.abc import Collection

from lapstrake_release.beside.document import read_documents, store_document
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.scan.model import KIND, Findings


def latest_of_all(registry: Referrers, digests: Collection[str]) -> dict[str, Findings | None]:
    """What the last scan of each digest found; None where none was stored.

    Raises:
        UserError: the registry can't be reached, or findings can't be read.
    """
    found = read_documents(registry, digests, KIND, Findings)
    return {digest: scans[-1] if scans else None for digest, scans in found.items()}


def store(registry: Referrers, findings: Findings) -> Findings:
    """Store findings beside their image, and return them as they are stored.

    Raises:
        UserError: the registry has no such digest, can't be reached, or refuses.
    """
    return store_document(registry, KIND, findings)
