"""What images need to enter a channel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.channels import Shelf, shelf_in
from support.fault_proxy import fault_proxy
from support.registry import serve_registry

SETTINGS = {
    "channels": [
        {"name": "staging", "accepts": ["rc", "final"]},
        {"name": "production", "accepts": ["final"], "after": "staging", "needs": ["verdict"]},
    ]
}


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Shelf]:
    """A version in `staging`; `production` needs verdicts of what is there."""
    with serve_registry(tmp_path / "registry") as host:
        shelf = shelf_in(tmp_path, host, settings=SETTINGS)
        shelf.publish("1.2.0")
        shelf.good("promote", "1.2.0", "--to", "staging")
        yield shelf


def verdict(shelf: Shelf, outcome: str, image: str, by: str = "ada") -> None:
    words = ("verdict", "1.2.0", outcome, "--image", image, "--by", by, "--note", f"{image}: so")
    shelf.good(*words)


def test_every_image_needs_its_verdict(staged: Shelf) -> None:
    ran = staged.run("promote", "1.2.0", "--to", "production")
    assert ran.code == 1
    for name in ("full", "slim", "srv"):
        assert f"{name} (sha256:" in ran.err
    assert "is not tested" in ran.err
    verdict(staged, "pass", "full")
    verdict(staged, "pass", "slim")
    verdict(staged, "fail", "srv")
    ran = staged.run("promote", "1.2.0", "--to", "production")
    assert ran.code == 1
    assert ran.err.startswith("error: srv (sha256:")
    assert "is failed by ada" in ran.err
    assert staged.moving("production") == {}
    verdict(staged, "pass", "srv")
    (moved,) = staged.good("promote", "1.2.0", "--to", "production", "--json").json
    assert staged.moving("production") == staged.digests("1.2.0")
    # and the record says who had said so
    assert moved["needs"] == ["verdict"]
    assert moved["verdicts"] == [f"{n}: passed by ada" for n in ("full", "slim", "srv")]


def test_other_bits_of_the_same_version_are_not_what_was_staged(staged: Shelf) -> None:
    for name in ("full", "slim", "srv"):
        verdict(staged, "pass", name)
    staged.publish("1.2.0", content="another")
    ran = staged.run("promote", "1.2.0", "--to", "production")
    assert ran.code == 1
    assert "full of 1.2.0 is sha256:" in ran.err
    assert "and staging holds sha256:" in ran.err
    # the new bits were not tested either
    assert "is not tested" in ran.err
    assert staged.moving("production") == {}


def test_another_version_is_staged(staged: Shelf) -> None:
    staged.publish("1.3.0")
    ran = staged.run("promote", "1.3.0", "--to", "production")
    assert ran.code == 1
    assert "1.3.0 can't enter production" in ran.err
    assert "staging holds 1.2.0" in ran.err
    assert "lapstrake promote 1.3.0 --to staging" in ran.err


def test_verdicts_go_along_into_another_registry(staged: Shelf, tmp_path: Path) -> None:
    for name in ("full", "slim", "srv"):
        verdict(staged, "pass", name)
    with serve_registry(tmp_path / "two") as host, fault_proxy(host) as proxy:
        elsewhere = ("--registry", f"{proxy.host}/public")
        staged.good("promote", "1.2.0", "--to", "staging", *elsewhere)
        # from there, as if it had been released there
        asked = ("--from", f"{proxy.host}/public", *elsewhere)
        staged.good("promote", "1.2.0", "--to", "production", *asked)
        (standing,) = [
            x
            for x in staged.good("channels", "--json", *elsewhere).json
            if x["channel"] == "production"
        ]
        assert standing["last"]["verdicts"] == [
            f"{n}: passed by ada" for n in ("full", "slim", "srv")
        ]
