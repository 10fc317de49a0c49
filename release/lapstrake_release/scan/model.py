"""What a scanner found in one image, as a value."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from lapstrake_release.beside.artifact import Kind
from lapstrake_release.beside.document import Document

KIND = Kind("scan", "application/vnd.lapstrake.findings.v1+json")

Level = Literal["unknown", "negligible", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("unknown", "negligible", "low", "medium", "high", "critical")


class Finding(BaseModel):
    """One vulnerability of one package.

    Attributes:
        id: as the scanner names it (`CVE-2024-1234`, `GHSA-…`); `aliases` its other names.
        package, version: what has it; `fixed` the versions that don't, empty where there is none.
        kind: of package, in the scanner's word (`deb`, `python-pkg`).
        title, url: what it is about, and where to read on; may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    package: str
    version: str
    severity: Level
    fixed: str = ""
    kind: str = ""
    aliases: tuple[str, ...] = ()
    title: str = ""
    url: str = ""

    @property
    def order(self) -> tuple[int, str, str, str]:
        """The worst first, then by name."""
        return (-LEVELS.index(self.severity), self.id, self.package, self.version)


class Findings(Document):
    """All that one scan of one image found.

    Attributes:
        scanner, scanner_version: what looked; `database` when what it knows was last updated, in
            its own words.
        packages: how many it was told of.
        findings: the worst first.
    """

    scanner: str
    scanner_version: str = ""
    database: str = ""
    packages: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        """The names of what was found."""
        return frozenset(f.id for f in self.findings)
