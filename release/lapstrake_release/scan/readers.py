"""What trivy and grype write as JSON, read: only what is understood in full counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lapstrake.errors import UserError
from lapstrake_release.scan.model import LEVELS, Finding, Level

Json = Mapping[str, Any]

_TRIVY_SCHEMA = 2


@dataclass(frozen=True)
class Report:
    """A scanner's report; `database` is when what it knows was last updated, in its own words."""

    scanner: str
    version: str
    database: str
    findings: tuple[Finding, ...]


def read_report(data: bytes) -> Report:
    """A report of trivy or grype.

    Raises:
        UserError: it is neither, or says something that isn't known here.
    """
    try:
        said = json.loads(data)
    except ValueError:
        raise UserError("the scanner's report is no JSON", "--format json, or -o json") from None
    if not isinstance(said, dict):
        raise UserError("the scanner's report is no JSON object")
    reader = _reader(said)
    try:
        return reader(said)
    except (LookupError, TypeError, AttributeError) as error:
        raise UserError(
            "the scanner's report has another form than the ones that are known",
            "report it with the scanner's version",
            (f"{type(error).__name__}: {error}",),
        ) from None


def _reader(said: Json) -> Callable[[Json], Report]:
    if said.get("SchemaVersion") == _TRIVY_SCHEMA:
        return _trivy
    if "matches" in said and "descriptor" in said:
        return _grype
    raise UserError(
        "the report is neither trivy's nor grype's", "trivy --format json, or grype -o json"
    )


def _trivy(said: Json) -> Report:
    """See pkg/types/report.go of trivy; `Results` is left out where there is nothing to look at."""
    found: list[Finding] = []
    for result in said.get("Results") or ():
        for one in result.get("Vulnerabilities") or ():
            found.append(_of_trivy(one, str(result.get("Type") or "")))
    version = said.get("Trivy") or {}
    return Report("trivy", str(version.get("Version") or ""), "", _ordered(found))


def _of_trivy(one: Json, kind: str) -> Finding:
    return Finding(
        id=str(one["VulnerabilityID"]),
        package=str(one["PkgName"]),
        version=str(one.get("InstalledVersion") or ""),
        severity=_level(one.get("Severity")),
        fixed=str(one.get("FixedVersion") or ""),
        kind=kind,
        aliases=tuple(str(x) for x in one.get("VendorIDs") or ()),
        title=str(one.get("Title") or ""),
        url=str(one.get("PrimaryURL") or ""),
    )


def _grype(said: Json) -> Report:
    """See grype/presenter/models/document.go of grype."""
    found = [_of_grype(m) for m in said["matches"] or ()]
    about = said["descriptor"]
    return Report("grype", str(about.get("version") or ""), _built(about), _ordered(found))


def _of_grype(match: Json) -> Finding:
    flaw, package = match["vulnerability"], match["artifact"]
    fix = flaw.get("fix") or {}
    own = str(flaw["id"])
    related = (str(r["id"]) for r in match.get("relatedVulnerabilities") or ())
    urls = flaw.get("urls") or ()
    return Finding(
        id=own,
        package=str(package["name"]),
        version=str(package.get("version") or ""),
        severity=_level(flaw.get("severity")),
        fixed=", ".join(str(v) for v in fix.get("versions") or ()),
        kind=str(package.get("type") or ""),
        aliases=tuple(dict.fromkeys(r for r in related if r != own)),
        title=str(flaw.get("description") or "").partition("\n")[0][:200],
        url=str(flaw.get("dataSource") or "") or str(next(iter(urls), "")),
    )


def _built(about: Json) -> str:
    """When grype's database was built; it stands elsewhere since its version 0.88."""
    database = about.get("db") or {}
    status = database.get("status") or database
    return str(status.get("built") or "")


def _level(name: object) -> Level:
    """A severity by its name.

    Raises:
        UserError: it is none that is known; which could be the worst of all.
    """
    lowered = str(name or "unknown").lower()
    for level in LEVELS:
        if level == lowered:
            return level
    raise UserError(f"the scanner calls a severity {name!r}, which isn't known here")


def _ordered(found: list[Finding]) -> tuple[Finding, ...]:
    """Each once, the worst first."""
    return tuple(_once(sorted(found, key=lambda f: f.order)))


def _once(found: list[Finding]) -> Iterator[Finding]:
    seen = set()
    for finding in found:
        key = (finding.id, finding.package, finding.version)
        if key not in seen:
            seen.add(key)
            yield finding
