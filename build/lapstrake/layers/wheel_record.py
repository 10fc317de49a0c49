"""RECORD: what a wheel's files are, before and after they are installed."""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass

ALGORITHMS = ("sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line: `digest` is hexadecimal, `algorithm` and it are empty where there is none."""

    algorithm: str
    digest: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed file: `path` relative to the folder that holds .dist-info."""

    path: str
    sha256: str
    size: int


def parse(text: bytes) -> dict[str, Recorded]:
    """The lines by path.

    Raises:
        ValueError: it is no RECORD, or uses a hash that the specification doesn't allow; the
            message says where.
    """
    found: dict[str, Recorded] = {}
    try:
        for row in csv.reader(io.StringIO(text.decode(), newline="")):
            if not row:
                continue
            if len(row) != 3:
                raise ValueError(f"{len(row)} fields instead of 3: {','.join(row)[:80]!r}")
            line = _line(*row)
            if found.setdefault(row[0], line) != line:
                raise ValueError(f"two different lines for {row[0]!r}")
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return found


def _line(path: str, digest: str, size: str) -> Recorded:
    algorithm, _, value = digest.partition("=")
    if algorithm and algorithm not in ALGORITHMS:
        raise ValueError(f"{path!r} has a hash that is not allowed: {algorithm!r}")
    if size and not (size.isascii() and size.isdecimal()):
        raise ValueError(f"{path!r} has a size that is no number: {size!r}")
    return Recorded(algorithm, _hexadecimal(path, algorithm, value), int(size) if size else None)


def _hexadecimal(path: str, algorithm: str, value: str) -> str:
    if not algorithm:
        return ""
    bare = value.rstrip("=")
    try:
        digest = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{path!r} has a hash that is no base64: {value!r}") from error
    if len(digest) != hashlib.new(algorithm).digest_size:
        raise ValueError(f"{path!r} has a hash of {len(digest)} bytes")
    return digest.hex()


def write(path: str, files: Iterable[Installed]) -> bytes:
    """The RECORD of installed files, sorted; `path` is its own, which stands in it bare."""
    rows = [(f.path, f"sha256={_bare(f.sha256)}", str(f.size)) for f in files]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted([*rows, (path, "", "")]))
    return text.getvalue().encode()


def _bare(sha256: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
