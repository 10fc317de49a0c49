"""Images to a registry, through skopeo: only blobs that aren't there travel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from lapstrake import skopeo
from lapstrake.dist import Build, BuiltImage
from lapstrake.errors import UserError

_REPOSITORY = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?)"
    r"(?P<path>(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
)

_UPLOADED = re.compile(r"Upload of layer (sha256:[0-9a-f]{64}) complete")


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
        return skopeo.digest_at(self._at(tag))

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
        target = self._at(tag)
        options = ["--preserve-digests", *skopeo.tls(target, "--dest-tls-verify")]
        said = skopeo.copy(f"oci:{dist}:{image.name}", f"docker://{target}", options)
        uploaded = set(_UPLOADED.findall(said.stderr))
        return sum(x.digest in uploaded for x in image.layers)

    def _at(self, tag: str) -> str:
        return f"{self.repository}:{tag}"


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
