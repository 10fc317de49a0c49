"""Scans: what scanners say is read in full or not at all, judged, and kept beside images.

trivy and grype are not to be had from a package here. Reports are written as their sources say
(trivy pkg/types/report.go, grype grype/presenter/models), and were compared with what trivy 0.65.0
and grype 0.90.0 say of a bill of ours; where one has to run, a program in its place answers with
such a report.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from lapstrake.definition.qa import Allowed, QaSpec, ScanSpec
from lapstrake.errors import UserError
from lapstrake_release import gates, scan
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.scan.bill import bill_of, packages_in
from lapstrake_release.scan.judge import judge
from lapstrake_release.scan.model import Finding, Findings
from lapstrake_release.scan.readers import read_report
from support.handed import VERSION, Family, handed
from support.registry import serve_registry

TODAY = date(2026, 6, 1)
DIGEST = f"sha256:{'a' * 64}"

TRIVY: dict[str, Any] = {
    "SchemaVersion": 2,
    "CreatedAt": "2026-05-01T12:00:00Z",
    "ArtifactName": "image.spdx.json",
    "ArtifactType": "spdx",
    "Metadata": {"OS": {"Family": "debian", "Name": "12"}},
    "Results": [
        {
            "Target": "image.spdx.json (debian 12)",
            "Class": "os-pkgs",
            "Type": "debian",
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-2026-0002",
                    "VendorIDs": ["DSA-1-1"],
                    "PkgName": "libssl3",
                    "PkgIdentifier": {"PURL": "pkg:deb/debian/libssl3@3.0.11-1~deb12u2"},
                    "InstalledVersion": "3.0.11-1~deb12u2",
                    "FixedVersion": "3.0.11-1~deb12u3",
                    "Status": "fixed",
                    "Severity": "HIGH",
                    "Title": "openssl: a flaw",
                    "PrimaryURL": "https://flaws.example/cve-2026-0002",
                },
                {
                    "VulnerabilityID": "CVE-2026-0003",
                    "PkgName": "tini",
                    "InstalledVersion": "0.19.0-1",
                    "Status": "affected",
                    "Severity": "CRITICAL",
                },
            ],
        },
        {"Target": "Python", "Class": "lang-pkgs", "Type": "python-pkg"},
    ],
}

GRYPE: dict[str, Any] = {
    "matches": [
        {
            "vulnerability": {
                "id": "GHSA-xxxx-yyyy-zzzz",
                "dataSource": "https://flaws.example/ghsa",
                "namespace": "github:language:python",
                "severity": "High",
                "urls": [],
                "description": "A flaw\nof a",
                "fix": {"versions": ["1.1"], "state": "fixed"},
            },
            "relatedVulnerabilities": [{"id": "CVE-2026-0004"}],
            "matchDetails": [],
            "artifact": {"name": "a", "version": "1.0", "type": "python", "purl": "pkg:pypi/a@1.0"},
        },
        {
            "vulnerability": {
                "id": "CVE-2026-0005",
                "severity": "Negligible",
                "fix": {"versions": [], "state": "wont-fix"},
            },
            "relatedVulnerabilities": [],
            "artifact": {"name": "tini", "version": "0.19.0-1", "type": "deb"},
        },
    ],
    "source": {"type": "file", "target": "image.spdx.json"},
    "distro": {"name": "debian", "version": "12", "idLike": []},
    "descriptor": {
        "name": "grype",
        "version": "0.90.0",
        "db": {"status": {"schemaVersion": "v6.0.2", "built": "2026-05-01T00:00:00Z"}},
    },
}


def findings(*found: Finding, image: str = "srv", **more: Any) -> Findings:
    values = {
        "scanner": "trivy",
        "family": "fam",
        "version": VERSION,
        "image": image,
        "digest": DIGEST,
        "at": datetime(2026, 5, 30, tzinfo=UTC),
    }
    return Findings(**{**values, **more}, findings=found)


HIGH = Finding(id="CVE-1", package="p", version="1", severity="high", fixed="2")
UNFIXED = Finding(id="CVE-2", package="q", version="1", severity="critical")
LOW = Finding(id="CVE-3", package="p", version="1", severity="low", fixed="2")


def allowed(number: str = "CVE-1", until: date = TODAY, **more: Any) -> Allowed:
    return Allowed(id=number, reason="known", until=until, **more)


def test_what_trivy_says() -> None:
    report = read_report(json.dumps(TRIVY).encode())
    assert report.scanner == "trivy"
    worst, second = report.findings
    assert (worst.id, worst.severity, worst.fixed) == ("CVE-2026-0003", "critical", "")
    assert second == Finding(
        id="CVE-2026-0002",
        package="libssl3",
        version="3.0.11-1~deb12u2",
        severity="high",
        fixed="3.0.11-1~deb12u3",
        kind="debian",
        aliases=("DSA-1-1",),
        title="openssl: a flaw",
        url="https://flaws.example/cve-2026-0002",
    )
    # where it finds nothing it leaves them out
    clean = {k: v for k, v in TRIVY.items() if k != "Results"}
    assert read_report(json.dumps(clean).encode()).findings == ()


def test_what_grype_says() -> None:
    report = read_report(json.dumps(GRYPE).encode())
    assert (report.scanner, report.version) == ("grype", "0.90.0")
    assert report.database == "2026-05-01T00:00:00Z"
    first, second = report.findings
    assert (first.id, first.aliases, first.fixed) == (
        "GHSA-xxxx-yyyy-zzzz", ("CVE-2026-0004",), "1.1",
    )  # fmt: skip
    assert (second.severity, second.title, second.url) == ("negligible", "", "")
    old = GRYPE | {"descriptor": {"name": "grype", "db": {"built": "2024-01-01T00:00:00Z"}}}
    assert read_report(json.dumps(old).encode()).database == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "neither trivy's nor grype's"),
        (b'{"SchemaVersion": 3, "Results": []}', "neither trivy's nor grype's"),
        (b'{"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{}]}]}', "another form"),
        (b'{"SchemaVersion": 2, "Results": [1]}', "another form"),
        (b'{"matches": [{}], "descriptor": {}}', "another form"),
        (
            b'{"SchemaVersion": 2, "Results": [{"Vulnerabilities":'
            b' [{"VulnerabilityID": "x", "PkgName": "y", "Severity": "APOCALYPTIC"}]}]}',
            "isn't known here",
        ),
    ],
)
def test_what_is_not_understood_is_no_clean_report(data: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_report(data)


def test_severity_and_what_has_no_fix() -> None:
    found = findings(UNFIXED, HIGH, LOW)
    assert judge(found, ScanSpec(), TODAY).stopping == (UNFIXED, HIGH)
    assert judge(found, ScanSpec(unfixed=False), TODAY).stopping == (HIGH,)
    assert judge(found, ScanSpec(severity="critical"), TODAY).stopping == (UNFIXED,)
    assert judge(found, ScanSpec(severity="low"), TODAY).stopping == (UNFIXED, HIGH, LOW)


def test_an_entry_allows_until_its_day() -> None:
    found = findings(HIGH)
    spec = ScanSpec(allow=[allowed(until=TODAY)])
    today = judge(found, spec, TODAY)
    assert (today.stopping, [f for f, _ in today.allowed], today.expired) == ((), [HIGH], ())
    tomorrow = judge(found, spec, date(2026, 6, 2))
    assert (tomorrow.stopping, tomorrow.expired) == ((HIGH,), (spec.allow[0],))


@pytest.mark.parametrize(
    ("entry", "stops"),
    [
        (allowed(), False),
        (allowed("cve-1"), False),
        (allowed("CVE-9"), True),
        (allowed(package="p"), False),
        (allowed(package="q"), True),
        (allowed(images=["srv"]), False),
        (allowed(images=["other"]), True),
        (allowed("DSA-7"), False),
    ],
)
def test_what_an_entry_is_about(entry: Allowed, stops: bool) -> None:
    finding = HIGH.model_copy(update={"aliases": ("DSA-7",)})
    judged = judge(findings(finding), ScanSpec(allow=[entry]), TODAY)
    assert bool(judged.stopping) == stops


@pytest.mark.parametrize("missing", ["reason", "until", "id"])
def test_an_entry_needs_a_reason_and_an_end(missing: str) -> None:
    entry = {"id": "CVE-1", "reason": "known", "until": "2026-01-01"}
    Allowed.model_validate(entry)
    with pytest.raises(ValidationError):
        Allowed.model_validate({k: v for k, v in entry.items() if k != missing})


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    with serve_registry(tmp_path / "registry") as host:
        yield handed(tmp_path, host)


def test_the_bill_has_what_scanners_ask_for(family: Family) -> None:
    image = family.build.image("srv")
    bill = bill_of(family.dist, image, "fam", VERSION)
    assert bill == bill_of(family.dist, image, "fam", VERSION)
    packages = {p["name"]: p for p in json.loads(bill)["packages"]}
    system = packages["debian"]
    assert (system["primaryPackagePurpose"], system["versionInfo"]) == ("OPERATING-SYSTEM", "12")
    assert packages["libssl3"]["sourceInfo"] == "built package from: openssl 3.0.11-1~deb12u2"
    assert packages["libssl3"]["externalRefs"][0]["referenceLocator"] == (
        "pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12"
        "&upstream=openssl%403.0.11-1~deb12u2"
    )
    assert packages["a"]["externalRefs"][0]["referenceLocator"] == "pkg:pypi/a@1.0"
    # what was removed is not installed
    assert "gone" not in packages
    assert packages_in(bill) == 3


def test_the_bill_is_spdx(family: Family, tmp_path: Path) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    path = tmp_path / "x.spdx.json"
    path.write_bytes(bill_of(family.dist, family.build.image("srv"), "fam", VERSION))
    assert validate_full_spdx_document(parse_file(str(path))) == []


def report_in(folder: Path, value: object) -> str:
    path = folder / "report.json"
    path.write_text(json.dumps(value))
    return str(path)


def test_findings_are_kept_and_stop_the_gate(family: Family, tmp_path: Path) -> None:
    report = report_in(tmp_path, TRIVY)
    words = ("scan", VERSION, "--image", "srv", "--report", report)
    said = family.call(*words, code=1)
    assert "findings of high or worse: srv (2)" in said.stderr
    assert "CVE-2026-0003" in said.stdout
    image = gates.Image("srv", family.digests["srv"])
    with Referrers(family.repository) as client:
        kept = scan.latest_of_all(client, [image.digest])[image.digest]
        assert kept is not None
        assert kept.ids == {"CVE-2026-0002", "CVE-2026-0003"}
        assert (kept.packages, kept.image) == (3, "srv")
        rules = gates.Rules(QaSpec(), family.root, TODAY)
        (problem,) = gates.unmet(["scan"], client, [image], rules)
        assert "has 2 findings of high or worse: CVE-2026-0003 in tini" in problem.message
        slim = gates.Image("slim", family.digests["slim"])
        (problem,) = gates.unmet(["scan"], client, [slim], rules)
        assert "was not scanned" in problem.message
    definition = yaml.safe_load((family.root / "lapstrake.yaml").read_text())
    entries = [
        {"id": n, "reason": "known", "until": "2999-01-01"} for n in ("CVE-2026-0003", "DSA-1-1")
    ]
    definition["qa"] = {"scan": {"allow": entries}}
    (family.root / "lapstrake.yaml").write_text(yaml.safe_dump(definition))
    (found,) = family.json(*words)
    assert found["stopping"] == []
    assert [a["reason"] for a in found["allowed"]] == ["known", "known"]
    with Referrers(family.repository) as client:
        spec = QaSpec.model_validate(definition["qa"])
        rules = gates.Rules(spec, family.root, TODAY)
        assert gates.unmet(["scan"], client, [image], rules) == []
        # the same findings, once the entries are over
        rules = gates.Rules(spec, family.root, date(2999, 1, 2))
        assert gates.unmet(["scan"], client, [image], rules)
        spec = QaSpec.model_validate(
            {"scan": {"severity": "critical", "unfixed": False, "days": 1}}
        )
        (old,) = gates.unmet(
            ["scan"], client, [image], gates.Rules(spec, family.root, date(2999, 1, 1))
        )
        assert "and a scan counts 1 days" in old.message


def stand_in(
    folder: Path, name: str, answer: object, log: str = "", code: int = 0
) -> dict[str, str]:
    """A program in the place of a scanner; the PATH that finds it."""
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    (folder / "answer.json").write_text(json.dumps(answer))
    script = (
        f'#!/bin/sh\necho "$@" >> {folder}/asked\n'
        f'for word; do [ ! -f "${{word#sbom:}}" ] || cp "${{word#sbom:}}" {folder}/bill; done\n'
        f'[ "$1" = version ] && echo \'{{"Version": "0.60.0", "VulnerabilityDB":'
        f' {{"UpdatedAt": "2026-05-01"}}}}\' && exit\n'
        f"echo '{log}' >&2\ncat {folder}/answer.json\nexit {code}\n"
    )
    path = bin_ / name
    path.write_text(script)
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return {"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(("name", "answer"), [("trivy", TRIVY), ("grype", GRYPE)])
def test_a_scanner_is_given_the_bill(
    family: Family, tmp_path: Path, name: str, answer: dict[str, Any]
) -> None:
    env = stand_in(tmp_path, name, answer)
    (found,) = family.json("scan", "--image", "srv", env=env, code=1)
    assert (found["scanner"], found["version"]) == (name, VERSION)
    image = family.build.image("srv")
    assert (tmp_path / "bill").read_bytes() == bill_of(family.dist, image, "fam", VERSION)
    assert found["database"] == "2026-05-01" + ("" if name == "trivy" else "T00:00:00Z")
    # without a version nothing is kept
    with Referrers(family.repository) as client:
        assert scan.latest_of_all(client, [image.digest])[image.digest] is None


def test_a_version_is_scanned_again_without_its_dist(family: Family, tmp_path: Path) -> None:
    env = stand_in(tmp_path, "trivy", TRIVY)
    family.call("scan", VERSION, "--image", "srv", env=env, code=1)
    bill = (tmp_path / "bill").read_bytes()
    (family.dist / "build.json").unlink()
    said = family.call("scan", VERSION, "--image", "slim", env=env, code=1)
    assert "nothing says what is in slim" in said.stderr
    clean = {k: v for k, v in TRIVY.items() if k != "Results"}
    env = stand_in(tmp_path, "trivy", clean)
    (found,) = family.json("scan", VERSION, "--image", "srv", env=env)
    assert found["findings"] == []
    assert (tmp_path / "bill").read_bytes() == bill
    with Referrers(family.repository) as client:
        (kept,) = scan.latest_of_all(client, [family.digests["srv"]]).values()
        assert kept is not None
        assert kept.findings == ()


@pytest.mark.parametrize(
    ("log", "code", "said"),
    [
        ("WARN Ignore the OS package as no OS is detected.", 0, "leaves its packages out"),
        (
            'WARN This OS version is not on the EOL list family="debian" version=""',
            0,
            "packages out",
        ),
        ("FATAL no database", 1, "trivy can"),
    ],
)
def test_a_scanner_that_is_blind_or_fails_is_an_error(
    family: Family, tmp_path: Path, log: str, code: int, said: str
) -> None:
    clean = {k: v for k, v in TRIVY.items() if k != "Results"}
    env = stand_in(tmp_path, "trivy", clean, log, code)
    assert said in family.call("scan", "--image", "srv", env=env, code=1).stderr


def test_no_scanner_and_no_report(family: Family, tmp_path: Path) -> None:
    words = ("scan", "--image", "srv", "--scanner", "grype")
    if not any((Path(p) / "grype").exists() for p in os.environ["PATH"].split(os.pathsep)):
        assert "grype is not installed" in family.call(*words, code=1).stderr
    said = family.call("scan", "--image", "srv", "--report", str(tmp_path / "no"), code=1).stderr
    assert "can't be read: No such file" in said
    assert "name it with --image" in family.call("scan", "--report", "x", code=1).stderr
