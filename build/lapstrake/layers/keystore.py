"""Java's store of certificates, which says of each when it came in.

Debian's ca-certificates-java fills one while it is installed: two installations of one set of
packages differ in nothing else. The format is that of OpenJDK's sun.security.provider.JavaKeyStore.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

# Where Debian's package keeps it.
PLACE = "etc/ssl/certs/java/cacerts"

_HEAD = struct.Struct(">III")
_MAGIC, _VERSION, _CERTIFICATE = 0xFEEDFEED, 2, 2
_DATE = struct.Struct(">Q")
_DIGEST = 20

# The password that everybody knows protects it from accidents alone.
_KEY = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"


def with_time(store: bytes, epoch: int) -> bytes:
    """The store with all its certificates put in at `epoch` (seconds since 1970) at the latest.

    What isn't such a store stays as it is: with another password, with keys, of another format.
    """
    content, digest = store[:-_DIGEST], store[-_DIGEST:]
    if _digest_of(content) != digest:
        return store
    changed = bytearray(content)
    try:
        for at in _dates(content):
            (date,) = _DATE.unpack_from(changed, at)
            _DATE.pack_into(changed, at, min(date, epoch * 1000))
    except (struct.error, ValueError):
        return store
    return bytes(changed) + _digest_of(changed)


def _digest_of(content: bytes | bytearray) -> bytes:
    return hashlib.sha1(_KEY + content, usedforsecurity=False).digest()


def _dates(content: bytes) -> Iterator[int]:
    """Where the dates stand; `ValueError` or `struct.error` in what is no store of certificates."""
    magic, version, count = _HEAD.unpack_from(content)
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError("it is of another format")
    at = _HEAD.size
    for _ in range(count):
        if struct.unpack_from(">I", content, at) != (_CERTIFICATE,):
            raise ValueError("it holds more than certificates")
        at = _behind(content, at + 4, ">H")  # its alias
        yield at
        at = _behind(content, at + _DATE.size, ">H")  # the kind of certificate
        at = _behind(content, at, ">I")
    if at != len(content):
        raise ValueError("there is more than it says")


def _behind(content: bytes, at: int, size: str) -> int:
    """Where a string of bytes ends that begins with its size."""
    (count,) = struct.unpack_from(size, content, at)
    return at + struct.calcsize(size) + int(count)
