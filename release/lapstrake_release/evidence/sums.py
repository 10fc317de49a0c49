"""SHA256SUMS: the checksum of every file of a release, as `sha256sum -c` reads it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake_release.facts import ReleaseFacts

SUMS = "SHA256SUMS"

# GitHub gives an asset another name where there is anything else in it, or a dot at an end.
_UNUSUAL = re.compile(r"[^A-Za-z0-9._+@-]+")


def published_name(path: Path) -> str:
    """What a file is called in the release."""
    return _UNUSUAL.sub(".", path.name).strip(".") or "file"


def checksums(facts: ReleaseFacts, more: Iterable[Path] = ()) -> bytes:
    """The lines for wheels, source archives and all other files, sorted by name.

    Raises:
        UserError: a file is missing, is another than the facts say, or two have one name.
    """
    known = {f.path: f.sha256 for f in facts.files}
    found: dict[str, tuple[str, Path]] = {}
    for path in sorted({*known, *facts.evidence, *more}):
        name = published_name(path)
        if name in found:
            raise UserError(
                f"{path} and {found[name][1]} would both be published as {name}", "rename one"
            )
        found[name] = (sha256_of(path), path)
        if found[name][0] != known.get(path, found[name][0]):
            raise UserError(f"{path} has changed since the build", "build again")
    return "".join(f"{found[name][0]}  {name}\n" for name in sorted(found)).encode()


def sha256_of(path: Path) -> str:
    """The hexadecimal SHA-256 of a file; `UserError` where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}", "build again") from None
