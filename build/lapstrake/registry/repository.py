"""The name of one repository of a registry."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lapstrake.errors import UserError
from lapstrake.skopeo import is_loopback

_NAME = re.compile(
    r"(?P<host>localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:)|\[[0-9a-fA-F:]+\])"
    r"(?P<port>:[0-9]+)?/"
    r"(?P<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
)

# Docker Hub answers at another host than the one that its references name.
_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


@dataclass(frozen=True)
class Repository:
    """`HOST[:PORT]` and the path of a repository there; tags and digests lie below it."""

    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Read `HOST[:PORT]/PATH`.

        Raises:
            UserError: it is something else, also where a tag or a digest follows.
        """
        found = _NAME.fullmatch(text)
        if found is None:
            hint = "write it as HOST[:PORT]/PATH, without tag and digest"
            raise UserError(f"{text!r} is no repository of a registry", hint)
        return cls(f"{found['host']}{found['port'] or ''}", found["path"])

    @property
    def url(self) -> str:
        """Where its API begins; only a registry on loopback is spoken to without TLS."""
        scheme = "http" if is_loopback(self.host) else "https"
        return f"{scheme}://{_HUB.get(self.host, self.host)}/v2/{self.path}"

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"
