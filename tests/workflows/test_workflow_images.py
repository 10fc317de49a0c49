"""images.yml, step by step, as a pull request and a push to the main branch run it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from tiny_family import change
from workflow_machine import Ran
from workflow_place import Place

from support.gitrepo import git

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.xdist_group("workflows"),
]

PULL = "refs/pull/1/merge"
PASSWORD = {
    "images/slim/image.yaml": """\
extends: base
run: ["sed -i 's/^root:[^:]*/root:$6$abc$def/' /etc/shadow"]
""",
}


def pull_request(place: Place, files: Mapping[str, str]) -> dict[str, Ran]:
    """A pull request that changes files, while the main branch goes on, and its workflow."""
    origin = place.origin
    git(origin, "switch", "-q", "-c", "topic")
    change(origin, "a change", files)
    git(origin, "switch", "-q", "main")
    base = change(origin, "meanwhile", {"README.md": "more\n", "images/base/hello": "other\n"})
    git(origin, "switch", "-q", "--detach")
    git(origin, "merge", "-q", "--no-edit", "topic")
    git(origin, "update-ref", PULL, "HEAD")
    git(origin, "switch", "-q", "main")
    event = {"pull_request": {"number": 1, "base": {"sha": base}}}
    return place.run("pull_request", "images.yml", about=event, ref=PULL)


def test_a_pull_request_that_touches_no_image(place: Place) -> None:
    ran = pull_request(place, {"notes.txt": "about it\n"})
    results = [ran[name].result for name in ("plan", "build", "images")]
    assert results == ["success", "skipped", "success"], ran["plan"].log


def test_an_image_that_fails_its_test_fails_the_pull_request(place: Place) -> None:
    ran = pull_request(place, PASSWORD)
    assert "no-password-hashes" in ran["build"].log
    assert (ran["build"].result, ran["images"].result) == ("failure", "failure")


def test_a_pull_request_builds_and_tests_what_it_touches(place: Place) -> None:
    """The layers of the main branch are those that it has shared."""
    ran = place.run("push", "images.yml")
    assert ran["layers"].result == "success", ran["layers"].log
    assert [ran[n].result for n in ("plan", "build", "images")] == ["skipped"] * 3
    pushed = set(place.targets.first.blobs)
    assert any(path == "x/layers" for path, _ in pushed)

    ran = pull_request(place, {"images/slim/more": "even more\n"})
    matrix = json.loads(ran["plan"].outputs["matrix"])
    assert matrix == {"include": [{"name": "1 of 1", "images": "slim"}]}
    assert "slim" in ran["plan"].summary
    assert ran["build"].result == "success", ran["build"].log
    assert ran["build"].steps[-2:] == ["Build", "Smoke-test"]
    assert ran["images"].result == "success"
    assert ran["layers"].result == "skipped"
    # and it leaves no more there
    assert {x for x in place.targets.first.blobs if x[0] == "x/layers"} <= pushed
