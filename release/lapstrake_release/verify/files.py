"""The wheels and source archives of a version in every index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lapstrake_release.indexes.client import IndexClient
from lapstrake_release.indexes.model import Index
from lapstrake_release.verify.images import sha256_hex
from lapstrake_release.verify.model import Findings

PART = "files"


def check_files(
    indexes: Iterable[Index], expected: Mapping[str, tuple[str, str]], findings: Findings
) -> dict[str, bytes]:
    """Download every file from every index.

    Args:
        indexes: which.
        expected: file name -> its project and its SHA-256.
        findings: takes what is found.

    Returns:
        the content of each wheel, by its file's name.
    """
    wheels: dict[str, bytes] = {}
    for index in indexes:
        with IndexClient(index) as client:
            for name, (project, sha256) in sorted(expected.items()):
                what = f"{index.name} {name}"
                with findings.of(PART, what):
                    there = client.files(project).get(name)
                    if there is None:
                        findings.add(PART, what, "is missing")
                        continue
                    if there.sha256:
                        findings.same(PART, f"{what}, as the index says", sha256, there.sha256)
                    content = client.content(there)
                    findings.same(PART, f"{what}, as it comes", sha256, sha256_hex(content))
                    if name.endswith(".whl"):
                        wheels.setdefault(name, content)
    return wheels
