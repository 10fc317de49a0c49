"""What can go, and what has to stay."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from support.channels import Shelf, shelf_in
from support.registry import serve_registry


def loose(shelf: Shelf, *words: str) -> dict[str, str]:
    """Each name that can go, and why."""
    return {x["name"]: x["why"] for x in shelf.good("prune", "--json", *words).json}


def give(shelf: Shelf, name: str, like: str) -> None:
    with shelf.client() as client:
        data = client.holder(like)
        assert data is not None
        client.put_manifest(name, data)


def stray(shelf: Shelf, name: str) -> str:
    """Push an image under a name that nothing holds; its digest."""
    with shelf.client() as client:
        data = client.holder(f"{max(shelf.built)}-slim")
        assert data is not None
        changed = json.dumps(json.loads(data) | {"annotations": {"of": name}}).encode()
        client.put_manifest(name, changed)
        return client.digest(name)


def test_nothing_is_deleted_unasked(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    stray(shelf, "pr-12")
    before = shelf.all_names
    ran = shelf.good("prune")
    assert "pr-12" in ran.out
    assert "nothing is deleted yet: --yes does it" in ran.out
    assert shelf.all_names == before


def test_channels_numbers_and_versions_hold_what_they_name(shelf: Shelf) -> None:
    for number in (1, 2):
        shelf.publish(f"1.2.0.dev{number}")
        shelf.good("promote", f"1.2.0.dev{number}", "--to", "testing")
    # a descriptive name of an image that a version holds
    give(shelf, "srv1.0-python3.11-debian12", "1.2.0.dev1-srv")
    with shelf.client() as client:
        # only the numbered tags hold these now
        gone = [f"1.2.0.dev1{s}" for s in shelf.digests("1.2.0.dev1")]
        client.remove(gone, "test")
    before = shelf.names
    stray(shelf, "pr-12")
    assert set(loose(shelf)) == {"pr-12", *(n for n in shelf.all_names if n.startswith("_claim"))}
    ran = shelf.good("prune", "--yes")
    assert "3 names deleted" in ran.out
    assert shelf.names == before
    assert loose(shelf) == {}
    # all of it can still be had
    shelf.good("rollback", "testing", "--why", "x")
    assert shelf.moving("testing") == shelf.digests("1.2.0.dev1")


def test_what_killed_releases_leave(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    give(shelf, "1.2.0.dev1-candidate.1-slim", "1.2.0.dev1-slim")
    # of a release that goes on: its names aren't there yet
    give(shelf, "1.3.0-candidate.1-slim", "1.2.0.dev1-slim")
    found = loose(shelf)
    assert set(found) == {"1.2.0.dev1-candidate.1-slim"}
    shelf.good("prune", "--yes")
    assert "1.3.0-candidate.1-slim" in shelf.names
    assert "1.2.0.dev1-candidate.1-slim" not in shelf.names
    assert shelf.digests("1.2.0.dev1")["-slim"] == shelf.names["1.2.0.dev1-slim"]


def test_what_is_about_images_that_are_gone(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    going = stray(shelf, "pr-12").removeprefix("sha256:")
    staying = shelf.digests("1.2.0.dev1")["-slim"].removeprefix("sha256:")
    for digest in (going, staying):
        stray(shelf, f"_verdict.{digest}.{'0' * 16}")
        stray(shelf, f"sha256-{digest}")
        stray(shelf, f"sha256-{digest}.sig")
    stray(shelf, f"layer-{'a' * 64}")
    wanted = {f"_verdict.{going}.{'0' * 16}", f"sha256-{going}", f"sha256-{going}.sig"}
    assert set(loose(shelf)) == {"pr-12", *wanted}
    assert set(loose(shelf, "--keep", "pr-*")) == set()
    shelf.good("prune", "--yes")
    assert not wanted & set(shelf.all_names)
    assert f"_verdict.{staying}.{'0' * 16}" in shelf.all_names


def test_a_registry_that_takes_no_deletions(tmp_path: Path) -> None:
    with serve_registry(tmp_path / "registry") as host:
        shelf = shelf_in(tmp_path, host)
        shelf.publish("1.2.0.dev1")
        stray(shelf, "pr-12")
        give(shelf, "1.2.0.dev1-candidate.1-slim", "1.2.0.dev1-slim")
    with serve_registry(tmp_path / "registry", deletions=False) as host:
        settings = {"name": "fam", "release": {"registries": [f"{host}/x"]}}
        (shelf.root / "lapstrake.yaml").write_text(yaml.safe_dump(settings))
        shelf.host = host
        before = shelf.names
        ran = shelf.run("prune", "--yes")
        assert ran.code == 1
        assert ran.err.splitlines()[0] == f"error: {host} takes no deletions"
        assert "hint:" in ran.err
        assert shelf.names == before
