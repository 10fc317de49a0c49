"""Into another registry, or another repository of the same one: by digest, each blob once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lapstrake.registry.repository import Repository
from support.channels import Shelf, shelf_in
from support.fault_proxy import Proxy, fault_proxy
from support.registry import serve_registry
from support.targets import LOGIN, logins, names_at


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Shelf, Proxy]]:
    """A family in one registry, and another one that wants a login; both behind proxies."""
    with (
        serve_registry(tmp_path / "one") as one,
        serve_registry(tmp_path / "two", LOGIN) as other,
        fault_proxy(other) as proxy,
    ):
        shelf = shelf_in(tmp_path, one)
        shelf.env |= logins(tmp_path, proxy.host)
        for version in ("1.2.0.rc1", "1.2.0"):
            shelf.publish(version)
        shelf.good("promote", "1.2.0.rc1", "--to", "staging")
        yield shelf, proxy


def there(proxy: Proxy) -> dict[str, str]:
    """What the public registry has."""
    found = names_at(f"{proxy.host}/public/fam", LOGIN)
    return {n: d for n, d in found.items() if not n.startswith("_")}


def blobs(shelf: Shelf, version: str) -> set[str]:
    built = shelf.built[version].images
    return {i.config for i in built} | {x.digest for i in built for x in i.layers}


def test_from_a_private_registry_into_a_public_one(two: tuple[Shelf, Proxy]) -> None:
    shelf, proxy = two
    words = ("promote", "1.2.0", "--to", "production", "--registry", f"{proxy.host}/public")
    (moved,) = shelf.good(*words, "--json").json
    digests = shelf.digests("1.2.0")
    prefixes = ("1.2.0", "production", "production.1")
    assert there(proxy) == {f"{p}{s}": d for p in prefixes for s, d in digests.items()}
    assert (moved["registry"], moved["source"]) == (
        f"{proxy.host}/public/fam",
        f"{shelf.host}/x/fam",
    )
    assert {d for _, d in proxy.blobs} == blobs(shelf, "1.2.0")
    assert set(proxy.blobs.values()) == {1}
    assert moved["bytes_sent"] > 0
    # nothing moved where it comes from
    assert shelf.moving("production") == {}
    (again,) = shelf.good(*words, "--json").json
    assert (again["state"], again["bytes_sent"]) == ("same", 0)
    assert set(proxy.blobs.values()) == {1}


def test_going_back_there(two: tuple[Shelf, Proxy]) -> None:
    shelf, proxy = two
    shelf.publish("1.2.1")
    shelf.publish("1.2.1.rc1")
    elsewhere = ("--registry", f"{proxy.host}/public")
    shelf.good("promote", "1.2.0", "--to", "production", *elsewhere)
    shelf.good("promote", "1.2.1.rc1", "--to", "staging")
    shelf.good("promote", "1.2.1", "--to", "production", *elsewhere)
    sent = proxy.blobs.total()
    shelf.good("rollback", "production", "--why", "x", *elsewhere)
    assert proxy.blobs.total() == sent
    assert there(proxy)["production"] == shelf.digests("1.2.0")[""]
    lines = shelf.good("history", "production", "--json", *elsewhere).json
    assert [x["version"] for x in lines] == ["1.2.0", "1.2.1", "1.2.0"]
    (standing,) = [
        x for x in shelf.good("channels", "--json", *elsewhere).json if x["channel"] == "production"
    ]
    assert (standing["state"], standing["version"]) == ("settled", "1.2.0")


def test_two_images_of_one_name(two: tuple[Shelf, Proxy]) -> None:
    shelf, proxy = two
    words = ("promote", "1.2.0", "--to", "production", "--registry", f"{proxy.host}/public")
    shelf.good(*words)
    before = there(proxy)
    shelf.publish("1.2.0", content="another")
    ran = shelf.run(*words)
    assert ran.code == 1
    assert "public/fam:1.2.0 is sha256:" in ran.err
    assert "two different images are called 1.2.0" in ran.err
    assert there(proxy) == before


def test_another_repository_of_the_same_registry_takes_no_blob(
    shelf: Shelf, tmp_path: Path
) -> None:
    del tmp_path
    shelf.publish("1.2.0.dev1")
    host = shelf.host
    with fault_proxy(host) as proxy:
        _settings(shelf, [f"{proxy.host}/x"])
        words = ("promote", "1.2.0.dev1", "--to", "testing", "--registry", f"{proxy.host}/public")
        (moved,) = shelf.good(*words, "--json").json
        assert moved["bytes_sent"] == 0
        assert proxy.blobs.total() == 0
        assert there(proxy)["testing-slim"] == shelf.digests("1.2.0.dev1")["-slim"]


def test_a_login_that_the_other_registry_refuses(two: tuple[Shelf, Proxy], tmp_path: Path) -> None:
    shelf, proxy = two
    auth = tmp_path / "wrong.json"
    # base64 of me:canary-that-is-wrong
    login = "bWU6Y2FuYXJ5LXRoYXQtaXMtd3Jvbmc="
    auth.write_text(json.dumps({"auths": {proxy.host: {"auth": login}}}))
    ran = shelf.run(
        *("promote", "1.2.0", "--to", "production", "--registry", f"{proxy.host}/public"),
        env={"REGISTRY_AUTH_FILE": str(auth)},
    )
    assert ran.code == 1
    assert f"{proxy.host} refuses the login" in ran.err
    assert "canary" not in ran.err + ran.out
    assert login not in ran.err + ran.out


def test_all_registries_of_a_release_are_moved(two: tuple[Shelf, Proxy]) -> None:
    shelf, proxy = two
    shelf.good("promote", "1.2.0", "--to", "production", "--registry", f"{proxy.host}/public")
    _settings(shelf, [f"{shelf.host}/x", f"{proxy.host}/public"])
    # there is no candidate in the second one
    ran = shelf.run("promote", "1.2.0", "--to", "production")
    assert ran.code == 1
    assert f"{proxy.host}/public/fam:staging holds nothing" in ran.err
    assert shelf.moving("production") == {}
    elsewhere = ("--from", f"{shelf.host}/x", "--registry", f"{proxy.host}/public")
    shelf.good("promote", "1.2.0.rc1", "--to", "staging", *elsewhere)
    found = shelf.good("promote", "1.2.0", "--to", "production", "--json").json
    assert [x["state"] for x in found] == ["moved", "same"]
    assert shelf.moving("production") == shelf.digests("1.2.0")
    # and of what is not the same in both, nothing moves
    with shelf.client() as client:
        data = client.holder("1.2.0.rc1-slim")
        assert data is not None
        client.put_manifest("1.2.0.rc1", data)
    ran = shelf.run("promote", "1.2.0.rc1", "--to", "staging")
    assert ran.code == 1
    assert "full 1.2.0.rc1 is not the same in all registries" in ran.err


def _settings(shelf: Shelf, registries: list[str]) -> None:
    settings = {"name": "fam", "release": {"registries": registries}}
    (shelf.root / "lapstrake.yaml").write_text(yaml.safe_dump(settings))


def test_a_copy_that_breaks_goes_on(two: tuple[Shelf, Proxy]) -> None:
    shelf, proxy = two
    words = ("promote", "1.2.0", "--to", "production", "--registry", f"{proxy.host}/public")
    for number in (8, 16, 30, 45):
        first = proxy.asked
        proxy.harm = lambda n, _m, _p, at=first + number: "405" if n >= at else None
        ran = shelf.run(*words)
        assert ran.code == 1, ran.err
        proxy.harm = lambda *_: None
        names = there(proxy)
        held = {n for n in names if n.startswith("production")}
        assert all(
            names[n] == shelf.digests("1.2.0")[n[n.find("-") :] if "-" in n else ""] for n in held
        )
    shelf.good(*words)
    assert set(proxy.blobs.values()) == {1}
    assert Repository.parse(f"{proxy.host}/public/fam")
    assert there(proxy)["production-slim"] == shelf.digests("1.2.0")["-slim"]
