"""Images signed by cosign, and their bill attested."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.store.scratch import temporary_folder
from lapstrake_release.published import Published
from lapstrake_release.sign.cosign import need_cosign, transport

# As cosign itself names the variable that its key may be in.
_KEY = "COSIGN_PRIVATE_KEY"


@dataclass(frozen=True)
class Signer:
    """Who signs: a key, or without one the identity that cosign finds (a GitHub job's).

    Attributes:
        key: a file, `env://NAME`, or what else cosign takes for a key; empty for an identity.
        log: whether the public transparency log is told; one without a key always is.
    """

    key: str
    log: bool = False

    @property
    def words(self) -> list[str]:
        """The words that tell cosign."""
        if not self.key:
            return ["--yes"]
        return ["--yes", "--key", self.key, f"--tlog-upload={str(self.log).lower()}"]


def find_signer(key: str | None, *, log: bool, env: Mapping[str, str] = os.environ) -> Signer:
    """Whoever can sign here: the key that is named, that of the environment, or a GitHub job.

    Raises:
        UserError: there is none.
    """
    if key:
        if "://" not in key and not Path(key).is_file():
            raise UserError(f"there is no key {key}", "cosign generate-key-pair makes one")
        return Signer(key, log)
    if env.get(_KEY):
        return Signer(f"env://{_KEY}", log)
    if env.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        return Signer("", log=True)
    raise UserError(
        "there is nothing to sign with",
        f"--key FILE, ${_KEY}, or a GitHub job with `id-token: write`",
    )


def sign(place: Published, signer: Signer, bill: bytes | None) -> None:
    """Sign an image in a registry, and attest its bill where there is one.

    Raises:
        UserError: cosign is not installed, or fails.
    """
    reference = f"{place.repository}@{place.digest}"
    words = [*signer.words, *transport(place.repository)]
    cosign = need_cosign()
    hint = "is $COSIGN_PASSWORD that of the key?" if signer.key else ""
    failure = f"cosign can't sign {place.image}"
    process.run([cosign, "sign", *words, reference], failure=failure, hint=hint)
    if bill is None:
        return
    with temporary_folder("sign") as folder:
        path = folder / "bill.spdx.json"
        path.write_bytes(bill)
        args = ["attest", "--type", "spdxjson", "--predicate", str(path), *words, reference]
        process.run([cosign, *args], failure=f"cosign can't attest {place.image}", hint=hint)
