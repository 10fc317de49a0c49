"""`lapstrake scan`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lapstrake.cli.common import dist_folder, open_repository
from lapstrake.definition.repository import Repository
from lapstrake.dist import read_build
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.report.progress import Mode, Progress, open_progress
from lapstrake.version import Version, version_or_none
from lapstrake_release.beside.referrers import Referrers, opened
from lapstrake_release.published import find_repositories
from lapstrake_release.scan.judge import Judged, judge
from lapstrake_release.scan.model import Finding, Findings
from lapstrake_release.scan.run import (
    Look,
    Target,
    find_bill,
    keep,
    scan_one,
    scanner,
    targets_in,
)
from lapstrake_release.verdicts.everywhere import agreed


@click.command("scan")
@click.argument("version", required=False)
@click.option("--image", "names", multiple=True, metavar="NAME", help="Only these images.")
@click.option("--scanner", "wanted", type=click.Choice(["auto", "trivy", "grype"]))
@click.option("--report", type=click.Path(path_type=Path), help="What a scanner wrote elsewhere.")
@click.option("--registry", "registries", multiple=True, metavar="HOST/PATH")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--progress", type=click.Choice(["auto", "live", "plain", "json"]), default="auto")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path,
    version: str | None,
    names: tuple[str, ...],
    wanted: str | None,
    report: Path | None,
    registries: tuple[str, ...],
    dist: str,
    progress: Mode,
    as_json: bool,
) -> None:
    """Look for known vulnerabilities in images of VERSION, and keep what is found beside them.

    Without VERSION, only look at dist/. Fails where anything is found that `qa.scan` in
    lapstrake.yaml doesn't let pass.
    """
    repo = open_repository(directory)
    if report is not None and len(names) != 1:
        raise UserError("a report is about one image", "name it with --image")
    look = scanner(wanted or repo.family.qa.scan.scanner, report)
    folder = dist_folder(repo, dist)
    with open_progress(progress) as shown:
        scanning = _Scanning(repo, folder, look, shown)
        if version is None:
            found = scanning.dist(names)
        else:
            with opened(find_repositories(repo, registries)) as clients:
                found = scanning.version(Version.parse(version), clients, names)
    today = datetime.now(UTC).date()
    judged = [(f, judge(f, repo.family.qa.scan, today)) for f in found]
    if as_json:
        console.say_json([_json(f, j) for f, j in judged])
    else:
        _show(judged)
    _refuse(judged, repo.family.qa.scan.severity)


class _Scanning:
    """What all images of one command are looked at with."""

    def __init__(self, repo: Repository, dist: Path, look: Look, progress: Progress) -> None:
        self._repo = repo
        self._dist = dist
        self._look = look
        self._progress = progress

    def dist(self, names: Sequence[str]) -> list[Findings]:
        """Of the images in dist/; nothing is kept."""
        build = read_build(self._dist)
        version = version_or_none(build.version)
        if version is None:
            raise UserError(f"{self._dist} holds {build.version}, which is no version")
        targets = targets_in(build, names)
        return [self._one(version, t, None)[0] for t in targets]

    def version(
        self, version: Version, clients: Sequence[Referrers], names: Sequence[str]
    ) -> list[Findings]:
        """Of a version's images in the registries, which keep what is found."""
        places = agreed(clients, self._repo, version, names)
        found = []
        for place in places:
            target = Target(place.image, place.digest)
            findings, document = self._one(version, target, clients[0])
            found.append(keep(clients, findings, document))
        return found

    def _one(
        self, version: Version, target: Target, client: Referrers | None
    ) -> tuple[Findings, bytes]:
        family = self._repo.family.name
        with self._progress.step(target.image, f"scan   {target.image}"):
            document = find_bill(family, version, target, self._dist, client)
            return scan_one(family, version, target, document, self._look), document


def _json(findings: Findings, judged: Judged) -> dict[str, Any]:
    return findings.model_dump(mode="json") | {
        "artifact": findings.artifact,
        "stopping": [f.model_dump(mode="json") for f in judged.stopping],
        "allowed": [
            f.model_dump(mode="json") | {"reason": a.reason, "until": a.until.isoformat()}
            for f, a in judged.allowed
        ],
    }


def _show(judged: Sequence[tuple[Findings, Judged]]) -> None:
    console.table(
        ["IMAGE", "PACKAGES", "FOUND", "ALLOWED", "STOPPING", "SCANNER"],
        [
            [
                f.image,
                str(f.packages),
                str(len(f.findings)),
                str(len(j.allowed)),
                str(len(j.stopping)),
                f"{f.scanner} {f.scanner_version}".strip(),
            ]
            for f, j in judged
        ],
        right=(1, 2, 3, 4),
    )
    rows = [_row(f.image, x) for f, j in judged for x in j.stopping]
    if rows:
        console.say()
        console.table(["IMAGE", "ID", "SEVERITY", "PACKAGE", "VERSION", "FIXED IN"], rows)
    for entry in dict.fromkeys(e for _, j in judged for e in _over(j)):
        console.note(entry)


def _row(image: str, finding: Finding) -> list[str]:
    fixed = finding.fixed or "-"
    return [image, finding.id, finding.severity, finding.package, finding.version, fixed]


def _over(judged: Judged) -> list[str]:
    return [
        f"note: {a.id} was allowed until {a.until.isoformat()} ({a.reason})" for a in judged.expired
    ]


def _refuse(judged: Sequence[tuple[Findings, Judged]], severity: str) -> None:
    stopped = [(f.image, len(j.stopping)) for f, j in judged if j.stopping]
    if stopped:
        said = ", ".join(f"{image} ({count})" for image, count in stopped)
        raise UserError(
            f"findings of {severity} or worse: {said}",
            "mend them, or list them in `qa.scan.allow` with a reason and an end date",
        )
