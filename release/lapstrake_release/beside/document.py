"""What an artifact beside an image says, as a value: verdicts and findings are such documents."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from lapstrake.errors import UserError
from lapstrake_release.beside.artifact import Artifact, Kind, Subject
from lapstrake_release.beside.referrers import Found, Referrers


class Document(BaseModel):
    """What is said of one image.

    Attributes:
        family, version, image: what the image was called then.
        digest: `sha256:…` of its manifest, which all of this is about.
        at: when, in UTC.
        artifact: the digest of the artifact that it was read from; no part of what is stored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    family: str
    version: str
    image: str
    digest: str
    at: AwareDatetime
    artifact: str = Field(default="", exclude=True)

    @property
    def order(self) -> tuple[AwareDatetime, str]:
        """Later ones are larger."""
        return self.at, self.artifact


D = TypeVar("D", bound=Document)


def read_documents(
    registry: Referrers, digests: Collection[str], kind: Kind, model: type[D]
) -> dict[str, tuple[D, ...]]:
    """The documents of a kind beside each of some digests, the earliest first.

    Raises:
        UserError: the registry can't be reached; or a document is none, that of a newer version
            of Lapstrake, or about another image than it lies beside.
    """
    return {
        digest: tuple(
            sorted((_read(registry, kind, model, f) for f in found), key=lambda d: d.order)
        )
        for digest, found in registry.attached(digests, kind).items()
    }


def store_document(registry: Referrers, kind: Kind, document: D) -> D:
    """Store a document beside its image, and return it as it is stored.

    Raises:
        UserError: the registry has no such digest, can't be reached, or refuses.
    """
    manifest = registry.holder(document.digest)
    if manifest is None:
        raise UserError(f"{registry.repository} has no {document.digest}", "push the image first")
    created = document.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    content = document.model_dump_json().encode()
    digest = registry.attach(Artifact(kind, Subject.of(manifest), content, created))
    return document.model_copy(update={"artifact": digest})


def _read(registry: Referrers, kind: Kind, model: type[D], found: Found) -> D:
    place = f"{registry.repository}@{found.digest}"
    try:
        document = model.model_validate_json(found.content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(x) for x in first["loc"])
        raise UserError(
            f"{place} is a {kind.name} that can't be read",
            "is it that of a newer lapstrake?",
            (f"{where}: {first['msg']}",),
        ) from None
    if document.digest != found.subject:
        raise UserError(
            f"{place} is a {kind.name} about another image", f"it says {document.digest}"
        )
    return document.model_copy(update={"artifact": found.digest})
