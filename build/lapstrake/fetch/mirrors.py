"""Where Debian packages come from: mirrors that the user names, else those of this machine's apt.

Lapstrake knows no mirror of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx

from lapstrake.errors import UserError
from lapstrake.fetch.apt_sources import AptSource, read_apt_sources
from lapstrake.fetch.http import client

MIRROR = "LAPSTRAKE_DEBIAN_MIRROR"
SNAPSHOT = "LAPSTRAKE_SNAPSHOT"
KEYRING = "LAPSTRAKE_DEBIAN_KEYRING"

_DEBIAN = {"buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid"}
_KEYRINGS = {
    "Debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "Ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
}
_HEAD = 4096


@dataclass(frozen=True)
class Archive:
    """One suite of one mirror.

    Attributes:
        suite: `bookworm`, `bookworm-updates` or `bookworm-security`.
        base: the mirror's URL, without a slash at its end.
        components: `main`, …
        signed_by: a keyring's path or a key itself; empty for apt's own keys.
        trusted: whether it need not be signed.
    """

    suite: str
    base: str
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False

    def url(self, path: str) -> str:
        """The address of a file of the archive."""
        return f"{self.base}/{quote(path, safe='/~')}"


def find_archives(
    suite: str,
    components: Sequence[str],
    snapshot: str | None = None,
    env: Mapping[str, str] = os.environ,
    etc: Path = Path("/etc/apt"),
) -> tuple[Archive, ...]:
    """The archives that have a suite, its updates and its security updates.

    Args:
        suite: such as `bookworm`.
        components: such as `main`.
        snapshot: a snapshot mirror's URL (or several), before everything else.
        env: where mirrors are named: $LAPSTRAKE_SNAPSHOT, then $LAPSTRAKE_DEBIAN_MIRROR.
        etc: apt's configuration, used where nothing is named.

    Raises:
        UserError: none has the suite, or one can't be reached.
    """
    named = snapshot or env.get(SNAPSHOT) or env.get(MIRROR) or ""
    with client(env) as http:
        finder = _Finder(suite, tuple(components), http, env.get(KEYRING) or "")
        if bases := [b.rstrip("/") for b in re.split(r"[\s,]+", named) if b]:
            return finder.on_mirrors(bases)
        return finder.on_host(read_apt_sources(etc))


def is_snapshot(snapshot: str | None, env: Mapping[str, str] = os.environ) -> bool:
    """Whether what is used is a snapshot: its indexes may be older than they say they are good."""
    return bool(snapshot or env.get(SNAPSHOT))


class _Finder:
    """Looks where a suite is."""

    def __init__(
        self, suite: str, components: tuple[str, ...], http: httpx.Client, keyring: str
    ) -> None:
        self.suite = suite
        self.components = components
        self.http = http
        self.keyring = keyring
        self.names = (suite, f"{suite}-updates", f"{suite}-security")
        self.origin = "Debian" if suite in _DEBIAN else "Ubuntu"

    def on_mirrors(self, bases: Sequence[str]) -> tuple[Archive, ...]:
        """What the named mirrors have, and the folders of security updates beside them."""
        found = [self._archive(b, n) for n in self.names for b in bases if self._release(b, n)]
        if not any(a.suite.endswith("-security") for a in found):
            beside = [b for base in bases for b in _security_beside(base)]
            security = self.names[2]
            found += [self._archive(b, security) for b in beside if self._release(b, security)]
        if self.suite not in {a.suite for a in found}:
            raise UserError(
                f"{', '.join(map(_shown, bases))} has no suite {self.suite}",
                f"{MIRROR} and {SNAPSHOT} are addresses under which dists/{self.suite} lies",
            )
        return tuple(found)

    def _archive(self, base: str, name: str) -> Archive:
        trusted = not self.keyring and _is_local(base)
        return Archive(name, base, self.components, self._keyring(), trusted)

    def _keyring(self) -> str:
        default = _KEYRINGS[self.origin]
        return self.keyring or (default if Path(default).exists() else "")

    def on_host(self, sources: Sequence[AptSource]) -> tuple[Archive, ...]:
        """The host's own sources of the suite, else its mirrors' folders of that name."""
        mine = [s for s in sources if set(s.components) & set(self.components)]
        found = [
            Archive(s.suite, s.base, self._common(s), self.keyring or s.signed_by, s.trusted)
            for s in mine
            if s.suite in self.names and self._is_origin(s.base, s.suite)
        ]
        if self.suite not in {a.suite for a in found}:
            bases = list(dict.fromkeys(s.base for s in mine))
            found = [
                Archive(n, b, self.components, self._keyring())
                for n in self.names
                for b in bases
                if self._is_origin(b, n)
            ]
        if self.suite not in {a.suite for a in found}:
            raise UserError(
                f"this machine's apt has no source of the suite {self.suite}",
                f"set {MIRROR} to the URL of a mirror that has it",
            )
        return tuple(sorted(set(found), key=lambda a: (self.names.index(a.suite), a.base)))

    def _common(self, source: AptSource) -> tuple[str, ...]:
        return tuple(c for c in self.components if c in source.components)

    def _is_origin(self, base: str, name: str) -> bool:
        """Whether it is the distribution's own suite and not a vendor's of the same name."""
        release = self._release(base, name)
        if release is None:
            return False
        origin = re.search(r"^Origin: *(.*)$", release, re.MULTILINE)
        return origin is None or origin[1].strip() == self.origin

    def _release(self, base: str, name: str) -> str | None:
        """The head of the suite's Release file; None where there is none."""
        for file in ("InRelease", "Release"):
            text = self._head(f"{base}/dists/{name}/{file}")
            if text is not None:
                return text
        return None

    def _head(self, url: str) -> str | None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            path = Path(unquote(parts.path))
            return path.read_bytes()[:_HEAD].decode(errors="replace") if path.is_file() else None
        try:
            headers = {"Range": f"bytes=0-{_HEAD - 1}"}
            with self.http.stream("GET", url, headers=headers) as response:
                if not response.is_success:
                    return None
                return next(response.iter_bytes(_HEAD), b"").decode(errors="replace")
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UserError(
                f"the Debian mirror {_shown(url)} can't be reached: {reason}",
                f"check the network and the proxy, or set {MIRROR}",
            ) from error


def _security_beside(base: str) -> Iterator[str]:
    """Where a mirror usually has its security updates, if not with the rest."""
    parts = base.split("/")
    for index in range(len(parts) - 1, 2, -1):
        if parts[index] in {"debian", "ubuntu"}:
            yield "/".join((*parts[:index], f"{parts[index]}-security", *parts[index + 1 :]))


def _is_local(url: str) -> bool:
    """Whether a mirror is on this machine, where a signature would add nothing."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def bases_of(archives: Iterable[Archive], suite: str) -> tuple[str, ...]:
    """Where a package of a suite may be: the suite's own mirrors, then all others."""
    own = [a.base for a in archives if a.suite == suite]
    return tuple(dict.fromkeys([*own, *(a.base for a in archives)]))
