"""Going back, and the history that stays."""

from __future__ import annotations

import pytest

from support.channels import Shelf


@pytest.fixture
def moved(shelf: Shelf) -> Shelf:
    """Three versions, one after the other in `testing`."""
    for number in (1, 2, 3):
        shelf.publish(f"1.2.0.dev{number}")
        shelf.good("promote", f"1.2.0.dev{number}", "--to", "testing")
    return shelf


def versions(shelf: Shelf) -> list[tuple[int, str, str]]:
    lines = shelf.good("history", "testing", "--json").json
    return [(x["number"], x["version"], x["kind"]) for x in lines]


def test_each_rollback_goes_one_further_back(moved: Shelf) -> None:
    moved.good("rollback", "testing", "--why", "it leaks")
    assert moved.moving("testing") == moved.digests("1.2.0.dev2")
    moved.good("rollback", "testing", "--why", "that too")
    assert moved.moving("testing") == moved.digests("1.2.0.dev1")
    assert versions(moved) == [
        (5, "1.2.0.dev1", "rollback"),
        (4, "1.2.0.dev2", "rollback"),
        (3, "1.2.0.dev3", "promote"),
        (2, "1.2.0.dev2", "promote"),
        (1, "1.2.0.dev1", "promote"),
    ]
    refused = moved.run("rollback", "testing", "--why", "all of it")
    assert refused.code == 1
    assert "held nothing before that" in refused.err
    assert moved.number("testing", 3) == moved.digests("1.2.0.dev3")


def test_going_back_to_a_number(moved: Shelf) -> None:
    moved.good("rollback", "testing", "--to", "1", "--why", "that was the last good one")
    assert moved.moving("testing") == moved.digests("1.2.0.dev1")
    line = moved.good("history", "testing", "-n", "1", "--json").json[0]
    assert (line["origin"], line["why"]) == (1, "that was the last good one")
    # and a later promotion is not undone by it
    moved.good("promote", "1.2.0.dev3", "--to", "testing")
    moved.good("rollback", "testing", "--why", "still bad")
    assert moved.moving("testing") == moved.digests("1.2.0.dev3")


def test_what_it_holds_already(moved: Shelf) -> None:
    (found,) = moved.good("rollback", "testing", "--to", "3", "--why", "?", "--json").json
    assert found["state"] == "same"
    assert len(versions(moved)) == 3


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("testing", "--to", "9"), "testing has no move 9", 1),
        (("testing", "--to", "0"), "0 is not in the range", 2),
        (("staging",), "has nothing in staging", 1),
        (("nowhere",), "there is no channel 'nowhere'", 1),
    ],
)
def test_nothing_to_go_back_to(moved: Shelf, words: tuple[str, ...], said: str, code: int) -> None:
    before = moved.all_names
    refused = moved.run("rollback", *words, "--why", "because")
    assert (refused.code, said in refused.err) == (code, True), refused.err
    assert moved.all_names == before


def test_a_reason_is_needed(moved: Shelf) -> None:
    refused = moved.run("rollback", "testing")
    assert refused.code == 2
    assert "--why" in refused.err


def test_a_number_whose_images_are_gone(moved: Shelf) -> None:
    with moved.client() as client:
        client.delete(moved.digests("1.2.0.dev1")["-slim"])
    refused = moved.run("rollback", "testing", "--to", "1", "--why", "because")
    assert refused.code == 1
    assert "which is slim" in refused.err
    assert moved.moving("testing") == moved.digests("1.2.0.dev3")
