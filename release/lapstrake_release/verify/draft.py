"""The release on GitHub: its notes, and each of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lapstrake.errors import UserError
from lapstrake_release.evidence import SUMS
from lapstrake_release.verify.model import Findings

if TYPE_CHECKING:
    from lapstrake_release.github import GithubClient

PART = "release"


def check_release(
    repository: str, root: Path, git_tag: str, digests: Mapping[str, str], findings: Findings
) -> dict[str, str]:
    """Compare the notes and files of a release with what the registries hold.

    Args:
        repository: OWNER/NAME.
        root: the checkout.
        git_tag: of the release.
        digests: the digest of each public name.
        findings: takes what is found.

    Returns:
        the SHA-256 of each file that SHA256SUMS names.
    """
    from lapstrake_release.github import GithubClient, find_release, find_settings

    with GithubClient(find_settings(repository, root)) as client:
        found = find_release(client, git_tag)
        if found is None:
            findings.add(PART, f"{repository} {git_tag}", "is missing")
            return {}
        for digest in sorted(set(digests.values())):
            wrong = "" if digest in found.body else "is not in the notes"
            findings.add(PART, f"{digest} in the notes", wrong)
        files = _downloaded(client, found.id)
    sums = _sums(files.get(SUMS, b""))
    for name in sorted({*sums, *files} - {SUMS}):
        seen = hashlib.sha256(files[name]).hexdigest() if name in files else ""
        findings.same(PART, f"{name} in the release", sums.get(name, ""), seen)
    for name, data in sorted(files.items()):
        if name.endswith(".spdx.json"):
            _check_bill(name, data, digests.values(), findings)
    return sums


def _downloaded(client: GithubClient, number: int) -> dict[str, bytes]:
    """Every file of a release."""

    def step() -> dict[str, bytes]:
        found = {}
        for asset in client.repository.get_release(number).get_assets():
            pieces = asset.download_asset(chunk_size=1 << 20)[2]
            found[asset.name] = b"".join(pieces)
        return found

    return client.patiently("download the release's files", step)


def _sums(data: bytes) -> dict[str, str]:
    """What SHA256SUMS says: name -> hash."""
    lines = (line.split(maxsplit=1) for line in data.decode(errors="replace").splitlines())
    return {parts[1].strip(): parts[0] for parts in lines if len(parts) == 2}


def _check_bill(name: str, data: bytes, digests: Iterable[str], findings: Findings) -> None:
    """A bill of materials describes an image that is public."""
    with findings.of(PART, f"{name} describes a public image"):
        try:
            packages = json.loads(data)["packages"]
            image = next(p for p in packages if p.get("primaryPackagePurpose") == "CONTAINER")
            hashed = str(image["checksums"][0]["checksumValue"])
        except (ValueError, LookupError, TypeError, StopIteration):
            raise UserError("can't be read") from None
        if f"sha256:{hashed}" not in set(digests):
            raise UserError(f"is of sha256:{hashed[:12]}…, which has no public name")
