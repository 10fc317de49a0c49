"""What enters which channel, and what is left in the registry by it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from support.channels import INDEX, Shelf, shelf_in
from support.fault_proxy import fault_proxy
from support.registry import serve_registry


def test_a_channel_holds_every_image_of_a_version(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    ran = shelf.good("promote", "1.2.0.dev1", "--to", "testing", "--why", "a try", "--json")
    assert shelf.moving("testing") == shelf.digests("1.2.0.dev1")
    assert shelf.number("testing", 1) == shelf.digests("1.2.0.dev1")
    (moved,) = ran.json
    assert (moved["state"], moved["number"], moved["version"]) == ("moved", 1, "1.2.0.dev1")
    assert moved["who"] == "tester"
    assert {i["image"] for i in moved["images"]} == {"full", "slim", "srv"}


def test_numbers_keep_what_a_channel_held(shelf: Shelf) -> None:
    for number in (1, 2, 3):
        shelf.publish(f"1.2.0.dev{number}")
        shelf.good("promote", f"1.2.0.dev{number}", "--to", "testing")
    assert shelf.moving("testing") == shelf.digests("1.2.0.dev3")
    for number in (1, 2, 3):
        assert shelf.number("testing", number) == shelf.digests(f"1.2.0.dev{number}")


def test_the_record_is_an_index_that_any_client_can_read(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    shelf.good("promote", "1.2.0.dev1", "--to", "testing", "--why", "ünïcode", "--by", "Ada")
    base = f"http://{shelf.host}/v2/{shelf.repository.path}"
    for name in ("_channel.testing", "_channel.testing.1"):
        answer = httpx.get(f"{base}/manifests/{name}", headers={"Accept": INDEX})
        assert answer.headers["Content-Type"] == INDEX
        index = json.loads(answer.content)
        assert index["artifactType"] == "application/vnd.lapstrake.channel.move.v1+json"
        said = index["annotations"]
        assert said["vnd.lapstrake.channel.state"] == "done"
        assert said["vnd.lapstrake.channel.who"] == "Ada"
        assert said["vnd.lapstrake.channel.why"] == "ünïcode"
        assert said["org.opencontainers.image.version"] == "1.2.0.dev1"
        found = {m["digest"] for m in index["manifests"]}
        assert found == set(shelf.digests("1.2.0.dev1").values())


def test_the_same_again_changes_nothing(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    shelf.good("promote", "1.2.0.dev1", "--to", "testing")
    before = shelf.names
    (moved,) = shelf.good("promote", "1.2.0.dev1", "--to", "testing", "--json").json
    assert (moved["state"], moved["number"]) == ("same", 1)
    assert shelf.names == before


def test_no_blob_is_sent_and_few_requests_are_made(tmp_path: Path) -> None:
    runtimes = [f"r{n}" for n in range(18)]
    with serve_registry(tmp_path / "registry") as host, fault_proxy(host) as proxy:
        shelf = shelf_in(tmp_path, proxy.host, runtimes=runtimes)
        for number in (1, 2):
            shelf.publish(f"1.2.0.dev{number}")
            shelf.good("promote", f"1.2.0.dev{number}", "--to", "testing")
        for words in (("promote", "1.2.0.dev1", "--to", "testing"), ("rollback", "testing")):
            proxy.seen.clear()
            shelf.good(*words, "--why", "x")
            assert not [s for s in proxy.seen if "/blobs/" in s.path]
            # for each of twenty images: read, numbered, moved, and both read back
            assert len(proxy.seen) <= 20 * 5 + 20
        assert shelf.moving("testing") == shelf.digests("1.2.0.dev2")


def test_a_dry_run_moves_nothing(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    before = shelf.all_names
    ran = shelf.good("promote", "1.2.0.dev1", "--to", "testing", "--dry-run")
    assert f"{shelf.repository}:testing-slim" in ran.out
    assert shelf.all_names == before


def test_an_image_that_a_version_has_no_more_leaves_the_channel(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    shelf.publish("1.2.0.dev2", without=["srv"])
    shelf.good("promote", "1.2.0.dev1", "--to", "testing")
    shelf.good("promote", "1.2.0.dev2", "--to", "testing", "--without", "srv")
    assert shelf.moving("testing") == shelf.digests("1.2.0.dev2")
    assert "testing-srv" not in shelf.names
    # and comes back with the version that has it
    shelf.good("rollback", "testing", "--why", "it is missed")
    assert shelf.moving("testing") == shelf.digests("1.2.0.dev1")


def test_production_is_for_releases_whose_candidate_was_staged(shelf: Shelf) -> None:
    for version in ("1.2.0.rc1", "1.2.0", "1.3.0"):
        shelf.publish(version)
    refused = shelf.run("promote", "1.2.0", "--to", "production")
    assert refused.code == 1
    assert "staging holds nothing" in refused.err
    assert "lapstrake promote 1.2.0.rcN --to staging" in refused.err
    shelf.good("promote", "1.2.0.rc1", "--to", "staging")
    shelf.good("promote", "1.2.0", "--to", "production")
    assert shelf.moving("production") == shelf.digests("1.2.0")
    refused = shelf.run("promote", "1.3.0", "--to", "production")
    assert refused.code == 1
    assert "staging holds 1.2.0.rc1, no pre-release of it" in refused.err
    assert shelf.moving("production") == shelf.digests("1.2.0")


@pytest.mark.parametrize(
    ("version", "channel", "said"),
    [
        ("1.2.0.rc1", "testing", "testing takes dev pre-releases, and 1.2.0.rc1 is a candidate"),
        ("1.2.0.dev1", "staging", "staging takes candidates, and 1.2.0.dev1 is a dev pre-release"),
        ("1.2.0.rc1", "production", "production takes official releases"),
    ],
)
def test_what_a_channel_is_not_for(shelf: Shelf, version: str, channel: str, said: str) -> None:
    shelf.publish(version)
    before = shelf.all_names
    refused = shelf.run("promote", version, "--to", channel)
    assert refused.code == 1
    assert said in refused.err
    assert shelf.all_names == before
