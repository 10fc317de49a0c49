"""Attestations that GitHub keeps, verified by its command line, `gh`."""

from __future__ import annotations

from lapstrake import process
from lapstrake.definition.qa import SignSpec
from lapstrake.errors import UserError

_LEAST = 2


def need_gh() -> str:
    """Its path; `UserError` where it is not installed."""
    found = process.which("gh")
    if found is None:
        raise UserError("gh is not installed", "https://cli.github.com")
    return found


def verify(place: str, spec: SignSpec) -> UserError | None:
    """What is wrong with the attestation of `HOST/PATH@sha256:…`; None where nothing is.

    Raises:
        UserError: gh is not installed.
    """
    parts = str(spec.identity).split("/")
    words = ["--repo", "/".join(parts[:_LEAST])]
    if len(parts) > _LEAST:
        words += ["--signer-workflow", str(spec.identity)]
    args = [need_gh(), "attestation", "verify", f"oci://{place}", *words]
    result = process.run(args, check=False)
    if result.code == 0:
        return None
    hint = "attest it where it is built: actions/attest-build-provenance"
    return UserError(
        f"has no attestation of {spec.identity} that GitHub knows", hint, result.tail[:3]
    )
