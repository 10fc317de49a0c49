"""release.yml, step by step, as a dispatch with its inputs runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workflow_place import Place

from support.targets import LOGIN

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.xdist_group("workflows"),
]

VERSION = "1.2.0-rc.1"


def check_silent(folder: Path) -> None:
    """No login is in a file."""
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert LOGIN[1].encode() not in path.read_bytes(), path


def test_a_dispatch_releases_what_the_job_before_has_built(place: Place) -> None:
    ran = place.release(VERSION)
    assert ran.result == "success", ran.log
    kept = place.artifacts.folder / "dist"
    built = json.loads((kept / "build.json").read_text())
    tags = {t: i["digest"] for i in built["images"] for t in i["tags"]}
    assert {"1.2.0.rc1-base", "1.2.0.rc1-slim"} <= set(tags)
    for registry in (place.targets.first, place.targets.second):
        assert place.targets.names(registry) == tags
    files = [*kept.glob("wheels/*"), *kept.glob("sdists/*")]
    assert len(files) == 2
    assert place.targets.uploaded == {p.name: p.read_bytes() for p in files}
    (draft,) = place.api.repository.releases
    assert (draft.tag, draft.draft, draft.prerelease) == ("v1.2.0-rc.1", True, True)
    assert all(digest in ran.summary for digest in tags.values())
    assert place.artifacts.names("journal") == {"release-1.2.0.rc1.json", "release-1.2.0.rc1.jsonl"}
    assert ran.steps[-2:] == ["Release", "Pull everything, and see that it agrees"]
    check_silent(place.folder)
    assert LOGIN[1] not in ran.log + ran.summary


def test_the_job_that_builds_has_reached_nothing(place: Place) -> None:
    """It has the images tested, and rehearses the release on loopback."""
    ran = place.build(VERSION)
    assert ran.steps == ["Check the version", "Build, test, and rehearse on loopback"]
    assert [len(p.seen) for p in place.targets.proxies] == [0, 0, 0]
    assert place.api.seen == []
    names = place.artifacts.names("dist")
    assert {"build.json", "smoke.json", "index.json"} <= names
    assert not any("snapshot" in n or n.startswith("release-") for n in names)


def test_a_dry_run_prints_every_name_and_writes_nothing(place: Place) -> None:
    ran = place.dispatch("release.yml", version=VERSION)
    assert ran["build"].result == "skipped"
    assert ran["release"].result == "success", ran["release"].log
    for registry in (place.targets.first, place.targets.second):
        assert f"{registry.host}/x/fam:1.2.0.rc1-slim" in ran["release"].summary
    assert [p.names for p in place.targets.proxies] == [[], [], []]
    assert (place.targets.uploaded, place.api.repository.releases) == ({}, [])


def test_the_targets_that_a_dispatch_names(place: Place) -> None:
    first = place.targets.first
    ran = place.release(VERSION, f"{first.host}/x index0")
    assert ran.result == "success", ran.log
    assert "1.2.0.rc1-slim" in place.targets.names(first)
    assert len(place.targets.uploaded) == 2
    assert place.targets.second.names == []
    assert place.api.repository.releases == []


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.2.0.rc2", "skips 1.2.0.rc1"),
        ("1 2", "is no version"),
        ("--help", "is no version"),
        ("$(touch /tmp/x)", "is no version"),
    ],
)
def test_a_version_that_can_not_be(place: Place, version: str, said: str) -> None:
    ran = place.dispatch("release.yml", version=version, dry_run=False, engine="local")
    assert (ran["build"].result, ran["release"].result) == ("failure", "skipped")
    assert said in ran["build"].log
    assert ran["build"].steps == ["Check the version"]
