"""What lapstrake.yaml says of who tests what, which findings stop an image, and who signs it."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from lapstrake.definition.fields import RepositoryPath
from lapstrake.definition.part import Part

Severity = Literal["low", "medium", "high", "critical"]
Association = Literal["OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR"]


class Allowed(Part):
    """A finding that is known and lived with until a day."""

    id: str = Field(min_length=1, description="such as `CVE-2024-1234`, as the scanner names it")
    package: str | None = Field(
        default=None, min_length=1, description="only in this package; by default in any"
    )
    images: list[str] = Field(default=[], description="only in these images; by default in all")
    reason: str = Field(min_length=1, description="why it may be lived with")
    until: date = Field(description="the last day on which it may, as YYYY-MM-DD")


class ScanSpec(Part):
    """Which findings of a scanner stop an image."""

    scanner: Literal["auto", "trivy", "grype"] = Field(
        default="auto", description="what looks for them; by default the one that is installed"
    )
    severity: Severity = Field(default="high", description="the lowest severity that stops it")
    unfixed: bool = Field(
        default=True, description="whether those that no version mends yet stop it, too"
    )
    days: int | None = Field(
        default=None, ge=1, description="how many days a scan counts; by default for good"
    )
    allow: list[Allowed] = Field(default=[], description="findings that are lived with for a time")


class SignSpec(Part):
    """Who signs images, and how a signature is verified."""

    by: Literal["cosign", "github"] = Field(
        default="cosign",
        description="`cosign`, or `github` for the attestations of GitHub Actions",
    )
    key: RepositoryPath | None = Field(
        default=None, description="cosign: the file of the public key"
    )
    identity: str | None = Field(
        default=None,
        min_length=1,
        description="who signs without a key: for cosign a regular expression that the "
        "certificate's identity fits, for `github` OWNER/NAME or a workflow, OWNER/NAME/PATH",
    )
    issuer: str | None = Field(
        default=None, pattern=r"^https://", description="cosign without a key: who vouches for it"
    )
    log: bool = Field(
        default=False,
        description="cosign with a key: whether the public transparency log has to know it",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.by == "cosign" and (self.key is None) == (self.identity is None):
            msg = "cosign needs either a key or an identity"
            raise ValueError(msg)
        if self.by == "cosign" and (self.identity is None) != (self.issuer is None):
            msg = "an identity needs an issuer, and an issuer an identity"
            raise ValueError(msg)
        if self.by == "github" and (self.key or self.issuer or not self.identity):
            msg = "GitHub's attestations have an identity, and neither a key nor an issuer"
            raise ValueError(msg)
        return self


class QaSpec(Part):
    """How images are handed to testers, and when they have passed."""

    per: Literal["image", "family"] = Field(
        default="image", description="what `lapstrake handoff` opens an issue for"
    )
    labels: list[str] = Field(default=[], description="more labels of those issues")
    people: list[Association] = Field(
        default=["OWNER", "MEMBER", "COLLABORATOR"],
        description="whose comments on an issue may be verdicts, by what GitHub says they are",
    )
    verdicts: int = Field(
        default=1, ge=1, le=20, description="how many people have to pass an image"
    )
    domain: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*$",
        description="the domain that the ingress rules in a handoff put an image's host below",
    )
    scan: ScanSpec = Field(default=ScanSpec(), description="see `qa.scan` below")
    signatures: SignSpec | None = Field(default=None, description="see `qa.signatures` below")
