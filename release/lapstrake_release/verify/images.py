"""The images of a version in every registry: each name, and each byte behind it."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from typing import BinaryIO, cast

from lapstrake.errors import UserError
from lapstrake.registry.client import sha256_of
from lapstrake.registry.repository import Repository
from lapstrake_release.job import Registries
from lapstrake_release.names import Names as Registry
from lapstrake_release.places import candidate_names
from lapstrake_release.verify.model import Findings

PART = "images"


class _Nowhere(io.RawIOBase):
    """Takes bytes and keeps none: what comes is hashed on its way."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return len(cast("bytes", data))

    def truncate(self, size: int | None = None) -> int:
        return size or 0

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset + whence * 0


def own_names(registry: Registry, version: str) -> list[str]:
    """The names of a version in a registry, without temporary ones."""
    names = registry.names()
    temporary = {n for n, _ in candidate_names(names, version)}
    found = (n for n in names if n == version or n.startswith(f"{version}-"))
    return [n for n in found if n not in temporary]


def check_images(
    registries: Registries,
    repositories: Iterable[Repository],
    version: str,
    expected: Mapping[str, str],
    findings: Findings,
) -> dict[str, str]:
    """Pull every image of a version from every registry.

    Args:
        registries: clients of the repositories.
        repositories: which.
        version: as tags begin.
        expected: the digest that each name has to have; where it is empty, the registries have to
            agree with each other.
        findings: takes what is found.

    Returns:
        the digest of each name.
    """
    known = dict(expected)
    for repository in repositories:
        registry = registries[repository]
        seen: dict[str, bytes] = {}
        names = sorted({*expected, *own_names(registry, version)})
        if not names:
            findings.add(PART, f"{repository}:{version}", "is missing")
        for name in names:
            there = registry.holder(name)
            digest = sha256_of(there) if there is not None else ""
            wanted = known.setdefault(name, digest)
            findings.same(PART, f"{repository}:{name}", wanted, digest)
            if there is not None:
                seen[digest] = there
        blobs = dict(p for m in seen.values() for p in _parts(m))
        registries.all_at_once(
            [
                functools.partial(_pull, registry, digest, size, findings)
                for digest, size in sorted(blobs.items(), key=lambda b: (-b[1], b[0]))
            ]
        )
    return known


def _pull(registry: Registry, digest: str, size: int, findings: Findings) -> None:
    with findings.of(PART, f"{registry.repository}@{digest}"):
        registry.download(digest, size, cast("BinaryIO", _Nowhere()))


def _parts(manifest: bytes) -> list[tuple[str, int]]:
    """The digest and size of each blob of an image."""
    try:
        said = json.loads(manifest)
        return [(str(p["digest"]), int(p["size"])) for p in (said["config"], *said["layers"])]
    except (ValueError, LookupError, TypeError):
        raise UserError("a name holds something else than an image") from None


def sha256_hex(data: bytes) -> str:
    """The hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()
