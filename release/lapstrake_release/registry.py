"""Images to a registry, through skopeo: only blobs that aren't there travel."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.version import InvalidVersion, Version

from lapstrake import process
from lapstrake.dist import Build, BuiltImage
from lapstrake.errors import UserError

_REPOSITORY = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?)"
    r"(?P<path>(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
)

_UPLOADED = re.compile(r"Upload of layer (sha256:[0-9a-f]{64}) complete")

# What a registry or the way to it may answer -> what we say of it, and what to do.
_ANSWERS = (
    ("connection refused", "nothing answers at {host}", "is the registry running there?"),
    ("no such host", "there is no host {host}", "check the name, and the network"),
    ("no route to host", "there is no way to {host}", "check the network"),
    ("i/o timeout", "{host} doesn't answer", "check the network"),
    ("authentication required", "{host} wants a login", "run `skopeo login {host}`"),
    ("unauthorized", "{host} refuses the login", "run `skopeo login {host}`"),
    ("denied", "{host} denies access to {repository}", "ask for the right to push there"),
    ("certificate", "{host} has a certificate that is not trusted", "set SSL_CERT_FILE"),
    ("server gave http response", "{host} speaks no TLS", "only loopback may go without"),
)


@dataclass(frozen=True)
class Repository:
    """Where a family's images go: one repository, told apart by tags."""

    host: str
    path: str

    @classmethod
    def parse(cls, registry: str, family: str) -> Repository:
        """`HOST[:PORT][/PATH]` and the family's name; `UserError` where it is none."""
        found = _REPOSITORY.fullmatch(registry)
        if found is None:
            raise UserError(f"{registry!r} is no registry", "write it as HOST[:PORT][/PATH]")
        return cls(found["host"], f"{found['path']}/{family}".strip("/"))

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, which alone may go without TLS."""
        host = self.host
        bracketed = host.startswith("[")
        name = host[1 : host.index("]")] if bracketed else host.partition(":")[0]
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"


@dataclass(frozen=True)
class Pushed:
    """What became of one tag: `sent` of the image's `blobs` travelled; `old` is what it was.

    `old` is the digest that the tag had; empty where it is new.
    """

    image: str
    reference: str
    digest: str
    blobs: int
    sent: int
    old: str

    @property
    def was_there(self) -> bool:
        """Whether the registry had just this under this tag."""
        return self.old == self.digest


class Registry:
    """One repository of a registry."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def digest(self, tag: str) -> str:
        """The digest that `tag` has; empty where there is no such tag.

        Raises:
            UserError: the registry can't be asked.
        """
        result = process.run(
            ["skopeo", "inspect", "--raw", *self._tls("--tls-verify"), f"docker://{self._at(tag)}"],
            check=False,
        )
        if result.code == 0:
            data = result.stdout.encode(errors="surrogateescape")
            return f"sha256:{hashlib.sha256(data).hexdigest()}"
        said = result.stderr.lower()
        if any(x in said for x in ("manifest unknown", "name unknown", "not found", "status 404")):
            return ""
        raise self._refused(result)

    def push(self, dist: Path, image: BuiltImage, tag: str) -> Pushed:
        """Give `tag` the image in `dist`, and read back that it has.

        Raises:
            UserError: the registry refuses, can't be reached, or holds something else afterwards.
        """
        old = self.digest(tag)
        if old == image.digest:
            return Pushed(image.name, self._at(tag), image.digest, len(image.layers), 0, old)
        sent = self._copy(dist, image, tag)
        now = self.digest(tag)
        if now != image.digest:
            raise UserError(
                f"{self._at(tag)} is {now or 'missing'} after the push, not {image.digest}",
                "does something else push to it?",
            )
        return Pushed(image.name, self._at(tag), image.digest, len(image.layers), sent, old)

    def _copy(self, dist: Path, image: BuiltImage, tag: str) -> int:
        """Copy what is missing; the number of layer blobs that travelled."""
        result = process.run(
            [
                "skopeo",
                "--debug",  # else it doesn't say which blobs it sent
                "copy",
                "--preserve-digests",
                *self._tls("--dest-tls-verify"),
                f"oci:{dist}:{image.name}",
                f"docker://{self._at(tag)}",
            ],
            check=False,
        )
        if result.code != 0:
            raise self._refused(_without_debug(result))
        return sum(x.digest in _UPLOADED.findall(result.stderr) for x in image.layers)

    def _tls(self, flag: str) -> list[str]:
        return [f"{flag}=false"] if self.repository.is_loopback else []

    def _at(self, tag: str) -> str:
        return f"{self.repository}:{tag}"

    def _refused(self, result: process.Result) -> UserError:
        said = result.stderr.lower()
        where = {"host": self.repository.host, "repository": str(self.repository)}
        for answer, message, hint in _ANSWERS:
            if answer in said:
                return UserError(message.format(**where), hint.format(**where), result.tail[-2:])
        return process.failed(result, f"{self.repository} refuses the push")


def _without_debug(result: process.Result) -> process.Result:
    lines = [x for x in result.stderr.splitlines() if "level=debug" not in x]
    return replace(result, stderr="\n".join(lines))


def check_moves(build: Build, registry: Registry, images: list[BuiltImage]) -> None:
    """Refuse, before anything is sent, to move a tag of a version that is final.

    Raises:
        UserError: such a tag has another digest in the registry.
    """
    if not is_final(build.version):
        return
    for image in images:
        for tag in image.tags:
            old = registry.digest(tag)
            if old and old != image.digest:
                raise UserError(
                    f"{registry.repository}:{tag} is {old[:19]}… already, and a final version "
                    "never moves",
                    "give the family a new version",
                )


def is_final(version: str) -> bool:
    """Whether a version is a release, not a candidate or a development one."""
    try:
        parsed = Version(version)
    except InvalidVersion:
        return False
    return not (parsed.is_prerelease or parsed.is_devrelease)
