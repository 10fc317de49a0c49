"""^C and kill -9 at some moments of a `push`: each tag is whole, and the next push ends it."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import httpx
import pytest
from small_family import Family, digests

from support.ended import BOTH_WAYS, moments, with_temporary
from support.registry import serve_registry
from support.tiny import sha256

pytestmark = [pytest.mark.root, pytest.mark.slow]

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def tags_of(repository: str) -> dict[str, str]:
    """The digest of each tag of a repository, all of whose blobs the registry must have."""
    found = {}
    host, _, path = repository.partition("/")
    with httpx.Client(base_url=f"http://{host}/v2/{path}", trust_env=False) as client:
        listed = client.get("/tags/list").json().get("tags") or []
        for tag in listed:
            answer = client.get(f"/manifests/{tag}", headers={"Accept": _MANIFEST})
            assert answer.status_code == 200
            manifest = answer.json()
            for part in (manifest["config"], *manifest["layers"]):
                head = client.head(f"/blobs/{part['digest']}")
                assert head.status_code == 200
                assert int(head.headers["content-length"]) == part["size"]
            found[tag] = answer.headers["docker-content-digest"]
    return found


def tags_of_a_build(dist: Path) -> dict[str, str]:
    said = json.loads((dist / "build.json").read_bytes())
    return {tag: image["digest"] for image in said["images"] for tag in image["tags"]}


@BOTH_WAYS
def test_a_push_ended_at_any_moment(family: Family, tmp_path: Path, number: signal.Signals) -> None:
    dist = tmp_path / "repo/dist"
    shutil.copytree(family.root, tmp_path / "repo")
    assert family.build(tmp_path / "cache", dist).returncode == 0
    before = {p.name: sha256(p) for p in (dist / "blobs/sha256").iterdir()}
    with serve_registry(tmp_path / "registry") as host:

        def push(where: str, *more: str) -> list[str]:
            return ["push", "--registry", f"{host}/{where}", *more]

        lasts = with_temporary(family.env, tmp_path, push("first")).run()
        expected = tags_of_a_build(dist)
        assert tags_of(f"{host}/first/small") == expected
        for moment, seconds in moments(lasts):
            command = with_temporary(family.env, tmp_path, push(f"m{moment}"))
            command.end_after(seconds, number)
            assert tags_of(f"{host}/m{moment}/small").items() <= expected.items()
            assert command.leftovers == []
            command.run()
            assert tags_of(f"{host}/m{moment}/small") == expected
            assert command.leftovers == []
    assert {p.name: sha256(p) for p in (dist / "blobs/sha256").iterdir()} == before
    assert digests(dist) == family.digests
