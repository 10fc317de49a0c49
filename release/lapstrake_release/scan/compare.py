"""What the scans of two images say of the way from one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lapstrake_release.scan.model import Finding, Findings, Level


@dataclass(frozen=True)
class Risk:
    """One known vulnerability (CVE-…) of an image, in all packages that have it.

    Attributes:
        packages: such as `libssl3 3.0.17`.
        url: where to read on; may be empty.
    """

    id: str
    severity: Level
    packages: tuple[str, ...]
    url: str


@dataclass(frozen=True)
class Look:
    """Who looked at an image, and when: other scanners and later days know of others."""

    scanner: str
    at: datetime


@dataclass(frozen=True)
class Risks:
    """Which vulnerabilities one image has and the other one hasn't; the worst first."""

    before: Look
    now: Look
    gone: tuple[Risk, ...]
    new: tuple[Risk, ...]


def compare(before: Findings, now: Findings) -> Risks:
    """What came and what went; one that a scanner calls by another's alias is the same."""
    return Risks(_look(before), _look(now), _without(before, now), _without(now, before))


def _look(found: Findings) -> Look:
    return Look(f"{found.scanner} {found.scanner_version}".strip(), found.at)


def _without(found: Findings, other: Findings) -> tuple[Risk, ...]:
    """The vulnerabilities of one that the other hasn't.

    Two aliases that are equal tell nothing: one advisory of a distribution is about several.
    """
    named = other.ids.union(*(f.aliases for f in other.findings))
    left: dict[str, list[Finding]] = {}
    for finding in sorted(found.findings, key=lambda f: f.order):
        if finding.id not in named and other.ids.isdisjoint(finding.aliases):
            left.setdefault(finding.id, []).append(finding)
    return tuple(_risk(same) for same in left.values())


def _risk(same: list[Finding]) -> Risk:
    """One vulnerability out of its findings, the worst of which comes first."""
    packages = dict.fromkeys(f"{f.package} {f.version}".strip() for f in same)
    return Risk(same[0].id, same[0].severity, tuple(packages), same[0].url)
