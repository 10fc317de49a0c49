"""cosign's command line."""

from __future__ import annotations

from pathlib import Path

from lapstrake import process
from lapstrake.definition.qa import SignSpec
from lapstrake.errors import UserError
from lapstrake.registry.repository import Repository
from lapstrake.skopeo import is_loopback

# What cosign says -> what we say
_SAID = (
    ("no signatures found", "is not signed"),
    ("no matching signatures", "has no signature of that key or identity"),
    ("no matching attestations", "has no attestation of that key or identity"),
    ("none of the attestations matched", "has no attestation of that kind"),
    ("invalid signature", "has no signature of that key or identity"),
)


def need_cosign() -> str:
    """Its path; `UserError` where it is not installed."""
    found = process.which("cosign")
    if found is None:
        raise UserError(
            "cosign is not installed", "https://docs.sigstore.dev/cosign/system_config/installation"
        )
    return found


def transport(repository: Repository) -> list[str]:
    """The words that let cosign speak to a registry as we do: only to loopback without TLS."""
    loopback = is_loopback(repository.host)
    return ["--allow-http-registry", "--allow-insecure-registry"] if loopback else []


def verifying(spec: SignSpec, root: Path) -> list[str]:
    """The words that say whose signature it has to be.

    Raises:
        UserError: there is no such key.
    """
    if spec.key is None:
        identity, issuer = str(spec.identity), str(spec.issuer)
        return ["--certificate-identity-regexp", identity, "--certificate-oidc-issuer", issuer]
    key = root / spec.key.removeprefix("//")
    if not key.is_file():
        raise UserError(f"there is no key {spec.key}", "qa.signatures.key names a public key")
    log = [] if spec.log else ["--insecure-ignore-tlog=true"]
    return ["--key", str(key), *log]


def verify(place: str, repository: Repository, spec: SignSpec, root: Path) -> UserError | None:
    """What is wrong with the signature of `HOST/PATH@sha256:…`; None where nothing is.

    Raises:
        UserError: cosign is not installed, or there is no such key.
    """
    words = [*verifying(spec, root), *transport(repository), place]
    result = process.run([need_cosign(), "verify", "--output", "text", *words], check=False)
    if result.code == 0:
        return None
    said = result.stderr.lower()
    known = next((ours for theirs, ours in _SAID if theirs in said), "")
    return UserError(
        known or "can't be verified by cosign", "lapstrake sign VERSION", result.tail[:3]
    )
