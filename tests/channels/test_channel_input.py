"""What can't be done is told in one line, with what to do about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from support.channels import Ran, Shelf, shelf_in
from support.registry import free_port, serve_registry

SECRET = "canary-of-the-registry"


def refused(ran: Ran, said: str, hint: str = "") -> None:
    """One line of error, at most with details below it, and a hint."""
    assert ran.code == 1, ran.err
    first, *_ = ran.err.splitlines()
    assert first.startswith("error: "), ran.err
    assert said in first
    assert hint in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("1.2.0.dev1", "--to", "nowhere"), "no channel 'nowhere'", "testing, staging, production"),
        (("9.9.9.dev1", "--to", "testing"), "has no version 9.9.9.dev1", "it has 1.2.0.dev1"),
        (("nonsense", "--to", "testing"), "'nonsense' is no version", "1.2.0.dev3"),
        (("1.2.0.dev1", "--to", "testing", "--why", "x" * 301), "--why has 301", "at most 300"),
        (("1.2.0.dev1", "--to", "testing", "--by", ""), "nothing says who you are", "--by"),
        (("1.2.0.dev1", "--to", "testing", "--without", "no"), "no image or runtime 'no'", "slim"),
        (("1.2.0.dev1", "--to", "testing", "--registry", "a b"), "'a b/fam' is no repository", ""),
    ],
)
def test_bad_words(shelf: Shelf, words: tuple[str, ...], said: str, hint: str) -> None:
    shelf.publish("1.2.0.dev1")
    before = shelf.all_names
    refused(shelf.run("promote", *words), said, hint)
    assert shelf.all_names == before


def test_a_version_that_lacks_an_image(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1", without=["srv"])
    ran = shelf.run("promote", "1.2.0.dev1", "--to", "testing")
    refused(ran, f"{shelf.repository} has no 1.2.0.dev1-srv", "--without srv")


def test_a_tag_that_holds_another_version(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    shelf.publish("1.2.0.dev2")
    with shelf.client() as client:
        data = client.holder("1.2.0.dev2-slim")
        assert data is not None
        client.put_manifest("1.2.0.dev1-slim", data)
    ran = shelf.run("promote", "1.2.0.dev1", "--to", "testing")
    refused(ran, "1.2.0.dev1-slim says of itself that it is 1.2.0.dev2")


def test_a_channel_that_is_called_like_an_image(tmp_path: Path) -> None:
    settings = {"channels": [{"name": "srv", "accepts": ["dev"]}]}
    shelf = shelf_in(tmp_path, f"127.0.0.1:{free_port()}", settings=settings)
    ran = shelf.run("promote", "1.2.0.dev1", "--to", "srv")
    refused(ran, "channel 'srv' is called like an image", "another name")


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ([{"name": "A", "accepts": ["dev"]}], "'A' is no channel name"),
        ([{"name": "1.2", "accepts": ["dev"]}], "'1.2' is no channel name"),
        ([{"name": "a", "accepts": []}], ".accepts' is empty"),
        ([{"name": "a", "accepts": ["dev"]}] * 2, "two channels are called 'a'"),
        ([{"name": "a", "accepts": ["dev"], "after": "b"}], "a is after 'b'"),
        ([{"name": "a", "accepts": ["dev"], "needs": ["luck"]}], "lapstrake.yaml:"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, channels: list[object], said: str) -> None:
    shelf = shelf_in(tmp_path, "127.0.0.1:1", settings={"channels": channels})
    refused(shelf.run("channels"), said)


def test_nobody_at_the_registry(tmp_path: Path) -> None:
    host = f"127.0.0.1:{free_port()}"
    shelf = shelf_in(tmp_path, host)
    for words in (
        ("promote", "1.2.0.dev1", "--to", "testing"),
        ("rollback", "testing", "--why", "x"),
        ("history", "testing"),
        ("channels",),
        ("prune",),
    ):
        refused(shelf.run(*words), f"nothing answers at {host}", "is the registry running")


def test_a_login_that_is_refused_is_not_told(tmp_path: Path) -> None:
    with serve_registry(tmp_path / "registry", ("me", "right")) as host:
        shelf = shelf_in(tmp_path, host)
        ran = shelf.run("promote", "1.2.0.dev1", "--to", "testing")
        refused(ran, f"{host} wants a login", f"skopeo login {host}")
        auth = tmp_path / "auth.json"
        # base64 of me:canary-of-the-registry
        login = {"auth": "bWU6Y2FuYXJ5LW9mLXRoZS1yZWdpc3RyeQ=="}
        auth.write_text(json.dumps({"auths": {host: login}}))
        shelf.env["REGISTRY_AUTH_FILE"] = str(auth)
        ran = shelf.run("promote", "1.2.0.dev1", "--to", "testing")
        refused(ran, f"{host} refuses the login")
        assert SECRET not in ran.err + ran.out
        assert login["auth"] not in ran.err + ran.out


def test_a_registry_that_takes_no_writes(tmp_path: Path) -> None:
    with serve_registry(tmp_path / "registry") as host:
        shelf = shelf_in(tmp_path, host)
        shelf.publish("1.2.0.dev1")
    with serve_registry(tmp_path / "registry", read_only=True) as host:
        settings = {"name": "fam", "release": {"registries": [f"{host}/x"]}}
        (shelf.root / "lapstrake.yaml").write_text(yaml.safe_dump(settings))
        refused(shelf.run("promote", "1.2.0.dev1", "--to", "testing"), host)


def test_something_else_where_a_record_should_be(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    with shelf.client() as client:
        data = client.holder("1.2.0.dev1")
        assert data is not None
        client.put_manifest("_channel.testing", data)
    for words in (("promote", "1.2.0.dev1", "--to", "testing"), ("channels",)):
        refused(shelf.run(*words), "_channel.testing is no record of a channel's move")
