"""Attestations that GitHub keeps, verified by its command line, `gh`."""

from __future__ import annotations

import json

from lapstrake import process
from lapstrake.definition.qa import SignSpec
from lapstrake.errors import UserError

_LEAST = 2

# gh ends so where nobody is logged in
_NO_LOGIN = 4

# What gh says where there is none, or none by those who are asked for
_NONE = ("no attestations found", "http 404", "verifying with issuer")


def need_gh() -> str:
    """Its path; `UserError` where it is not installed."""
    found = process.which("gh")
    if found is None:
        raise UserError("gh is not installed", "https://cli.github.com")
    return found


def verify(place: str, spec: SignSpec) -> UserError | None:
    """What is wrong with the attestation of `HOST/PATH@sha256:…`; None where nothing is.

    Raises:
        UserError: gh is not installed, or nobody is logged in to it.
    """
    parts = str(spec.identity).split("/")
    words = ["--repo", "/".join(parts[:_LEAST])]
    if len(parts) > _LEAST:
        words += ["--signer-workflow", str(spec.identity)]
    args = [need_gh(), "attestation", "verify", f"oci://{place}", *words, "--format", "json"]
    result = process.run(args, check=False)
    if result.code == 0 and _tells_any(result.stdout):
        return None
    if result.code == _NO_LOGIN:
        raise UserError("gh isn't logged in to GitHub", "gh auth login, or $GH_TOKEN", result.tail)
    hint = "attest it where it is built: actions/attest-build-provenance"
    if result.code == 0 or any(words in result.stderr.lower() for words in _NONE):
        message = f"has no attestation of {spec.identity} that GitHub knows"
        return UserError(message, hint, result.tail[:3])
    return UserError("can't be verified by gh", details=result.tail[:3])


def _tells_any(said: str) -> bool:
    """Whether gh names an attestation that it has verified.

    Before 2.67 it ends well, and names none, where all that there are are of another kind
    (CVE-2025-25204).
    """
    try:
        found = json.loads(said)
    except ValueError:
        return False
    return isinstance(found, list) and bool(found)
