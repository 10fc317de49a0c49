"""One scan: the bill of each image, what a scanner finds for it, and where both are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lapstrake.dist import Build, read_build
from lapstrake.errors import UserError
from lapstrake.store.scratch import temporary_folder
from lapstrake.version import Version, version_or_none
from lapstrake_release.beside.artifact import Artifact, Subject
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.scan import bill
from lapstrake_release.scan.model import Findings
from lapstrake_release.scan.readers import Report, read_report
from lapstrake_release.scan.scanners import choose
from lapstrake_release.scan.scanners import scan as run_scanner
from lapstrake_release.scan.store import store

# A bill depends on nothing but the image.
_NO_TIME = "1980-01-01T00:00:00Z"

Look = Callable[[bytes], Report]


@dataclass(frozen=True)
class Target:
    """An image to be scanned: its name and digest."""

    image: str
    digest: str


def scanner(wanted: str, report: Path | None = None) -> Look:
    """What looks at a bill: a scanner that is installed, or a report that one wrote elsewhere.

    Raises:
        UserError: no scanner is installed, or there is no such report.
    """
    if report is not None:
        try:
            found = read_report(report.read_bytes())
        except OSError as error:
            raise UserError(f"{report} can't be read: {error.strerror}") from None
        return lambda _: found
    name = choose(wanted)

    def look(document: bytes) -> Report:
        with temporary_folder("scan") as folder:
            path = folder / "image.spdx.json"
            path.write_bytes(document)
            return run_scanner(name, path)

    return look


def targets_in(build: Build, names: Sequence[str]) -> list[Target]:
    """Images of dist/, by name."""
    images = [build.image(n) for n in names] or list(build.images)
    return sorted((Target(i.name, i.digest) for i in images), key=lambda t: t.image)


def build_of(dist: Path, version: Version) -> Build | None:
    """What dist/ holds, where that is this version."""
    try:
        build = read_build(dist)
    except UserError:
        return None
    return build if version_or_none(build.version) == version else None


def find_bill(
    family: str, version: Version, target: Target, dist: Path, registry: Referrers | None
) -> bytes:
    """The bill of an image: out of dist/ where that has the digest, else from beside the image.

    Raises:
        UserError: it is in neither place.
    """
    build = build_of(dist, version)
    for image in build.images if build else ():
        if image.digest == target.digest:
            return bill.bill_of(dist, image, family, version.ours)
    if registry is not None:
        found = registry.attached([target.digest], bill.KIND)[target.digest]
        if found:
            return found[0].content
    raise UserError(
        f"nothing says what is in {target.image} {version}",
        "scan it once from the dist/ that it was released from: that keeps its bill beside it",
        (target.digest,),
    )


def scan_one(
    family: str, version: Version, target: Target, document: bytes, look: Look
) -> Findings:
    """What is found for the bill of one image.

    Raises:
        UserError: the scanner fails.
    """
    report = look(document)
    return Findings(
        scanner=report.scanner,
        scanner_version=report.version,
        database=report.database,
        family=family,
        version=version.ours,
        image=target.image,
        digest=target.digest,
        at=datetime.now(UTC),
        packages=bill.packages_in(document),
        findings=report.findings,
    )


def keep(registries: Sequence[Referrers], findings: Findings, document: bytes) -> Findings:
    """Store findings, and the bill that they are about, beside the image in each registry.

    Raises:
        UserError: a registry refuses, or has no such digest.
    """
    kept = findings
    for registry in registries:
        kept = store(registry, findings)
        manifest = registry.holder(findings.digest)
        if manifest is not None:
            registry.attach(Artifact(bill.KIND, Subject.of(manifest), document, _NO_TIME))
    return kept
