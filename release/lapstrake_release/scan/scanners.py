"""trivy and grype, run over a bill of materials."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake_release.scan.readers import Report, read_report

Name = Literal["trivy", "grype"]
NAMES: tuple[Name, ...] = ("trivy", "grype")

_HOMES = {
    "trivy": "https://trivy.dev/docs/latest/getting-started/installation",
    "grype": "https://github.com/anchore/grype#installation",
}

# What they say on the way where they leave all packages of the system out
_BLIND = (
    "no os is detected",
    "unable to determine the os distribution",
    "unsupported os",
    "is not on the eol list",
)


def choose(wanted: str = "auto") -> Name:
    """The scanner that is asked for, or the first that is installed.

    Raises:
        UserError: it is not installed, or none is.
    """
    for name in NAMES:
        if wanted in {name, "auto"} and process.which(name):
            return name
    if wanted == "auto":
        homes = ", ".join(_HOMES.values())
        raise UserError("neither trivy nor grype is installed", f"install one: {homes}")
    raise UserError(f"{wanted} is not installed", _HOMES.get(wanted, ""))


def scan(name: Name, bill: Path) -> Report:
    """What a scanner finds for an SPDX document.

    Raises:
        UserError: it fails, can't be read, or leaves the system's packages out.
    """
    args = {
        "trivy": ["sbom", "--no-progress", "--scanners", "vuln", "--format", "json", str(bill)],
        "grype": [f"sbom:{bill}", "-o", "json"],
    }[name]
    result = process.run(
        [name, *args],
        failure=f"{name} can't scan it",
        hint=f"has {name} its database? `{_update(name)}` fetches it",
    )
    said = result.stderr.lower()
    if any(words in said for words in _BLIND):
        raise UserError(
            f"{name} doesn't know the image's distribution, and leaves its packages out",
            details=result.tail,
        )
    report = read_report(result.stdout.encode(errors="surrogateescape"))
    return _with_version(report) if name == "trivy" else report


def _update(name: Name) -> str:
    return "grype db update" if name == "grype" else "trivy sbom --download-db-only"


def _with_version(report: Report) -> Report:
    """What trivy says elsewhere: its report has neither its version nor its database's age."""
    result = process.run(["trivy", "version", "--format", "json"], check=False)
    try:
        said = json.loads(result.stdout)
        updated = str((said.get("VulnerabilityDB") or {}).get("UpdatedAt") or "")
        return replace(report, version=str(said.get("Version") or report.version), database=updated)
    except (ValueError, AttributeError):
        return report
