"""What differs between channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lapstrake.guest.system import SBOM
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.lock.model import Wheel
from lapstrake.plan.model import ImagePlan
from lapstrake.plan.sbom import sbom
from lapstrake_release import scan
from lapstrake_release.scan.model import Finding, Findings, Level
from support.channels import Shelf, shelf_in
from support.registry import serve_registry

SETTINGS = {"channels": [{"name": n, "accepts": ["dev"]} for n in ("testing", "staging")]}


def wheel(name: str, version: str) -> Wheel:
    file = f"{name}-{version}-py3-none-any.whl"
    return Wheel(name=name, version=version, filename=file, size=1, sha256="a" * 64)


def carrying(*wheels: Wheel) -> Files:
    """The layer of an image in which its bill of materials is."""
    return Files("system: x", (FileEntry.of(SBOM, sbom([], wheels, "debian")),))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Shelf]:
    """Two versions with other packages, in two channels."""
    with serve_registry(tmp_path / "registry") as host:
        shelf = shelf_in(tmp_path, host, settings=SETTINGS)

        def with_bill(plan: ImagePlan, *wheels: Wheel) -> ImagePlan:
            return replace(plan, layers=(*plan.layers, carrying(*wheels)))

        shared = wheel("shared", "1.0")
        old = {"slim": [shared], "full": [shared, wheel("gone", "3.0"), wheel("torch", "2.1")]}
        new = {"slim": [shared], "full": [shared, wheel("came", "1.1"), wheel("torch", "2.2")]}
        for version, bills in (("1.2.0.dev1", old), ("1.2.0.dev2", new)):
            shelf.publish(
                version,
                without=["srv"] if version == "1.2.0.dev2" else [],
                change=lambda p, b=bills: with_bill(p, *b[p.name]) if p.name in b else p,
            )
        shelf.good("promote", "1.2.0.dev1", "--to", "staging")
        shelf.good("promote", "1.2.0.dev2", "--to", "testing", "--without", "srv")
        yield shelf


def test_packages_and_sizes(two: Shelf) -> None:
    found = two.good("diff", "staging", "testing", "--json").json
    assert found["equal"] is False
    assert (found["a"], found["b"]) == ("staging 1, 1.2.0.dev1", "testing 1, 1.2.0.dev2")
    assert (found["only_a"], found["only_b"]) == (["srv"], [])
    full = next(i for i in found["images"] if i["image"] == "full")
    assert full["a"]["digest"] == two.digests("1.2.0.dev1")[""]
    assert full["b"]["digest"] == two.digests("1.2.0.dev2")[""]
    layers = next(i for i in two.built["1.2.0.dev2"].images if i.name == "full").layers
    assert full["b"]["size"] == sum(x.size for x in layers)
    assert 0 < full["new_bytes"] < full["b"]["size"]
    assert [(p["name"], p["a"], p["b"]) for p in full["packages"]] == [
        ("came", "", "1.1"),
        ("gone", "3.0", ""),
        ("torch", "2.1", "2.2"),
    ]
    assert full["findings"] is None
    ran = two.good("diff", "staging", "testing")
    assert "~ python torch 2.1 → 2.2" in ran.out
    assert "srv: only in staging 1" in ran.out
    assert "no scan of both sides is stored of full, slim" in ran.err


def findings(digest: str, *ids: str) -> Findings:
    level: Level = "high"
    return Findings(
        scanner="grype",
        family="fam",
        version="1",
        image="full",
        digest=digest,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        findings=tuple(Finding(id=i, package="p", version="1", severity=level) for i in ids),
    )


def test_findings_where_both_were_scanned(two: Shelf) -> None:
    with two.client() as client:
        old, new = (two.digests(v)[""] for v in ("1.2.0.dev1", "1.2.0.dev2"))
        scan.store(client, findings(old, "CVE-2024-0001", "CVE-2024-0002"))
        scan.store(client, findings(new, "CVE-2024-0002", "CVE-2025-0003"))
    found = two.good("diff", "staging", "testing", "--json").json
    full = next(i for i in found["images"] if i["image"] == "full")
    assert full["findings"] == {"gone": ["CVE-2024-0001"], "new": ["CVE-2025-0003"]}
    ran = two.good("diff", "staging", "testing")
    assert "- CVE-2024-0001" in ran.out
    assert "+ CVE-2025-0003" in ran.out
    assert "CVE-2024-0002" not in ran.out


def test_moves_of_a_channel(two: Shelf) -> None:
    two.good("promote", "1.2.0.dev2", "--to", "staging", "--without", "srv")
    assert two.good("diff", "staging.2", "testing", "--json").json["equal"] is True
    assert two.run("diff", "staging", "testing", "--exit-code").code == 0
    assert two.run("diff", "staging.1", "staging", "--exit-code").code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("staging.9", "testing"), "has no move 9 of staging"),
        (("staging", "testing", "--files"), "files of channels aren't compared"),
        (("staging", "slim"), "dist holds no build, and staging is none"),
        (("slim", "full", "--registry", "h/x"), "slim and full aren't two channels"),
    ],
)
def test_what_cannot_be_compared(two: Shelf, words: tuple[str, ...], said: str) -> None:
    ran = two.run("diff", *words)
    assert ran.code == 1
    assert said in ran.err


def test_an_empty_channel(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    shelf.good("promote", "1.2.0.dev1", "--to", "testing")
    ran = shelf.run("diff", "testing", "production")
    assert ran.code == 1
    assert "has nothing in production" in ran.err
