"""Which findings stop an image: severity, and what is lived with until a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from lapstrake.definition.qa import Allowed, ScanSpec
from lapstrake_release.scan.model import LEVELS, Finding, Findings


@dataclass(frozen=True)
class Judged:
    """What findings amount to.

    Attributes:
        stopping: findings that stop the image, the worst first.
        allowed: those that would, but for an entry of the allow list.
        expired: entries that would have allowed one of `stopping` if their day weren't over.
        unused: entries for this image that nothing was found for.
    """

    stopping: tuple[Finding, ...]
    allowed: tuple[tuple[Finding, Allowed], ...]
    expired: tuple[Allowed, ...]
    unused: tuple[Allowed, ...]


def judge(findings: Findings, spec: ScanSpec, today: date) -> Judged:
    """Judge what was found by the settings as they are on a day."""
    grave = [f for f in findings.findings if is_grave(f, spec)]
    entries = [a for a in spec.allow if not a.images or findings.image in a.images]
    current = [a for a in entries if today <= a.until]
    over = [a for a in entries if today > a.until]
    matches = {f: next((a for a in current if _is_for(a, f)), None) for f in grave}
    stopping = tuple(f for f in grave if matches[f] is None)
    return Judged(
        stopping=stopping,
        allowed=tuple((f, a) for f in grave if (a := matches[f]) is not None),
        expired=tuple(a for a in over if any(_is_for(a, f) for f in stopping)),
        unused=tuple(a for a in entries if not any(_is_for(a, f) for f in findings.findings)),
    )


def is_grave(finding: Finding, spec: ScanSpec) -> bool:
    """Whether a finding stops an image unless it is allowed."""
    if not finding.fixed and not spec.unfixed:
        return False
    return LEVELS.index(finding.severity) >= LEVELS.index(spec.severity)


def _is_for(entry: Allowed, finding: Finding) -> bool:
    names = {finding.id.casefold(), *(a.casefold() for a in finding.aliases)}
    return entry.id.casefold() in names and entry.package in {None, finding.package}
