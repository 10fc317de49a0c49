"""Facts out of real builds: of layers, checks, releases, and of what came before."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from page_builds import bill, checked, with_bill, with_packages

from lapstrake.dist import Build
from lapstrake.errors import UserError
from lapstrake.guest.system import SBOM
from lapstrake.inspect.contents import Package, PackageChange
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.smoke.report import CheckResult, ImageSmoke, SmokeReport, write_report
from lapstrake.store.store import Store
from lapstrake_release.page import before
from lapstrake_release.page.document import page
from lapstrake_release.page.facts import (
    Changes,
    Command,
    ImageChange,
    LayerChange,
)
from lapstrake_release.page.gather import gather, worst
from lapstrake_release.scan.compare import compare
from lapstrake_release.scan.model import Finding, Findings
from support.tinyimages import built, image


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    return tmp_path / "dist"


def test_layers_stand_once_and_the_shared_ones_first(dist: Path, store: Store) -> None:
    built(
        dist,
        store,
        image("a", "own a", "all"),
        image("b", "all", "some"),
        image("c", "some", "all"),
    )
    facts = gather(dist)
    titles = [(x.title, x.images) for x in facts.layers]
    assert titles == [
        ("file all", ("a", "b", "c")),
        ("file some", ("b", "c")),
        ("file own a", ("a",)),
    ]
    first, second, _ = facts.images
    assert [facts.layers[i].title for i in first.layers] == ["file own a", "file all"]
    assert first.own == facts.layers[2].size
    assert second.own == 0
    assert facts.stored == sum(x.size for x in facts.layers)


def test_a_layer_that_an_image_has_twice_is_one_layer_of_it(dist: Path, store: Store) -> None:
    built(dist, store, image("a", "x", "x"))
    facts = gather(dist)
    assert len(facts.layers) == 1
    assert facts.layers[0].images == ("a",)
    assert facts.images[0].own == facts.layers[0].size


def test_checks_count_for_the_digest_that_was_checked(dist: Path, store: Store) -> None:
    old = built(dist, store, image("a", "1"), image("b", "1"))
    checked(dist, old, "a", "b", failed=("metrics",))
    assert [worst(i.checks) for i in gather(dist).images] == ["failed", "failed"]
    built(dist, store, image("a", "1"), image("b", "2"))
    facts = gather(dist)
    assert [worst(i.checks) for i in facts.images] == ["failed", "untested"]
    assert facts.count("failed") == 1
    assert facts.tested_by == "Engine 1"


def test_a_log_on_the_page_holds_no_secret(
    dist: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = built(dist, store, image("a", "1"))
    said = "login s3cr3t-and-long at https://user:s3cr3t-and-long@host/"
    check = CheckResult(
        image="a", name="x", verdict="failed", expected=said, seen=said, why=said, log=(said,)
    )
    found = ImageSmoke(name="a", digest=build.images[0].digest, seconds=1, checks=(check,))
    write_report(dist, SmokeReport(lapstrake="1", engine="E", seconds=1, images=(found,)))
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cr3t-and-long")
    text = page(gather(dist))
    assert "s3cr3t" not in text
    assert text.count("login *** at https://***@host/") == 3


def test_without_smoke_json_nothing_is_said_to_be_checked(dist: Path, store: Store) -> None:
    built(dist, store, image("a", "1"))
    facts = gather(dist)
    assert (facts.tested_by, facts.images[0].checks) == ("", None)


def test_without_a_build_there_is_no_page(dist: Path) -> None:
    with pytest.raises(UserError, match="holds no build"):
        gather(dist)


def released(dist: Path, build: Build, outcome: str = "done", digest: str = "") -> None:
    said = {
        "outcome": outcome,
        "images": [
            {
                "name": i.name,
                "digest": digest or i.digest,
                "pinned": [f"reg.example/fam@{i.digest}"],
                "references": [f"reg.example/fam:1-{i.name}"],
            }
            for i in build.images
        ],
    }
    (dist / "release-1.json").write_text(json.dumps(said))


def test_commands_pull_from_where_a_release_put_the_images(dist: Path, store: Store) -> None:
    build = built(dist, store, image("a", "1"))
    from_dist = Command(
        "From the folder of the build, into Docker",
        "skopeo copy oci:out/dist:a docker-daemon:fam:1-a",
    )
    assert gather(dist, "out/dist").images[0].pulls == (from_dist,)
    released(dist, build)
    assert [p.line for p in gather(dist).images[0].pulls] == [
        f"docker pull reg.example/fam@{build.images[0].digest}",
        "docker pull reg.example/fam:1-a",
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"outcome": "failed"}, {"digest": "sha256:00"}, {"text": "[]"}, {"text": "{"}],
    ids=str,
)
def test_a_release_that_is_another_or_failed_gives_no_commands(
    dist: Path, store: Store, wrong: dict[str, str]
) -> None:
    build = built(dist, store, image("a", "1"))
    text = wrong.pop("text", "")
    released(dist, build, **wrong)
    if text:
        (dist / "release-1.json").write_text(text)
    assert gather(dist).images[0].pulls[0].line.startswith("skopeo copy")


def test_two_builds_are_compared_by_what_they_say_of_themselves(
    tmp_path: Path, store: Store
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    shared = (("deb", "bash", "5.2"), ("pypi", "six", "1.17.0"))
    built(
        old,
        store,
        with_bill(image("a", "1", "numpy old", "dropped"), *shared, ("pypi", "numpy", "2.4.5")),
        image("same", "1"),
        image("gone", "1"),
    )
    built(
        new,
        store,
        with_bill(
            image("a", "1", "numpy new"),
            shared[0],
            ("pypi", "numpy", "2.4.6"),
            ("deb", "jq", "1.6"),
        ),
        image("same", "1"),
        image("new", "1"),
    )
    found = before.differences("1.1", before.folder(old), before.folder(new))
    assert (found.added, found.removed) == (("new",), ("gone",))
    change, same = found.images
    assert same.equal
    assert change.packages == (
        PackageChange(Package("debian", "jq"), "", "1.6"),
        PackageChange(Package("python", "numpy"), "2.4.5", "2.4.6"),
        PackageChange(Package("python", "six"), "1.17.0", ""),
    )
    layers = {x.title: x for x in before.folder(new).images["a"].layers}
    assert change.fetched == sum(x.size for t, x in layers.items() if t != "file 1")
    assert [(x.title, x.gone) for x in change.layers] == [
        ("file numpy old", True),
        ("file numpy new", False),
        ("system: boot, services, SSH", True),
        ("system: boot, services, SSH", False),
        ("file dropped", True),
    ]
    assert all(isinstance(x, LayerChange) and x.size > 0 for x in change.layers)


def test_a_package_in_two_versions_and_what_is_none(tmp_path: Path, store: Store) -> None:
    twice = (("deb", "libc6", "2.36-9"), ("deb", "libc6", "2.36-8"))
    built(tmp_path / "old", store, with_bill(image("a"), twice[0]))
    packages = [{"name": "the image", "versionInfo": "1"}, *bill(*twice)]
    built(tmp_path / "new", store, with_packages(image("a"), packages))
    sides = [before.folder(tmp_path / x) for x in ("old", "new")]
    libc = PackageChange(Package("debian", "libc6"), "2.36-9", "2.36-8, 2.36-9")
    assert before.differences("old", *sides).images[0].packages == (libc,)


def test_images_without_a_bill_of_materials_say_so(tmp_path: Path, store: Store) -> None:
    built(tmp_path / "old", store, image("a", "1"))
    built(tmp_path / "new", store, image("a", "2"))
    sides = [before.folder(tmp_path / x) for x in ("old", "new")]
    assert before.differences("old", *sides).images[0].packages is None


def test_a_bill_that_is_none_is_told(tmp_path: Path, store: Store) -> None:
    layer = Files("system: x", (FileEntry.of(SBOM, b"[]"),))
    built(tmp_path / "old", store, replace(image("a"), layers=(layer,)))
    built(tmp_path / "new", store, image("a", "1"))
    sides = [before.folder(tmp_path / x) for x in ("old", "new")]
    with pytest.raises(UserError, match="no list of packages"):
        before.differences("old", *sides)


def test_of_many_vulnerabilities_the_worst_stand_there(dist: Path, store: Store) -> None:
    built(dist, store, image("a", "1"))
    many = [
        Finding(id=f"CVE-{n}", package="p", version="1", severity="low" if n else "critical")
        for n in range(90, -1, -1)
    ]
    base = Findings(
        scanner="grype",
        family="fam",
        version="1",
        image="a",
        digest="sha256:0",
        at=datetime(2026, 11, 20, tzinfo=UTC),
    )
    risks = compare(base, base.model_copy(update={"findings": tuple(many)}))
    change = ImageChange("a", "sha256:1", "sha256:0", 1, 1, (), (), risks)
    text = page(replace(gather(dist), changes=Changes("1", (change,), (), (), scans=True)))
    assert text.count('<tr class="new"><th') == 40
    assert text.index(">CVE-0<") < text.index(">CVE-1<")
    assert "and 51 more new" in text
