"""The parts of a handoff that are text alone: commands, markers, documents, ingress rules."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapstrake.definition.load import load
from lapstrake.definition.models import PortSpec, Service
from lapstrake.errors import UserError
from lapstrake_release.handoff.comments import commands_in, has_command
from lapstrake_release.handoff.documents import embedded, read_documents
from lapstrake_release.handoff.facts import Documents, Source
from lapstrake_release.handoff.ingress import rules
from lapstrake_release.handoff.marker import (
    HandedImage,
    Marker,
    read_body,
    verdicts_part,
    with_verdicts,
    write_body,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
IMAGES = ("full", "slim", "srv")


@pytest.mark.parametrize(
    ("text", "images", "found"),
    [
        ("/lapstrake pass", ["srv"], [("pass", ("srv",), "")]),
        ("/lapstrake PASS all good", ["srv"], [("pass", ("srv",), "all good")]),
        ("/lapstrake pass srv all good", ["srv"], [("pass", ("srv",), "all good")]),
        (
            "/lapstrake failed srv,slim\nwhy\n\nand",
            IMAGES,
            [("fail", ("srv", "slim"), "why\n\nand")],
        ),
        ("/lapstrake pass all", IMAGES, [("pass", IMAGES, "")]),
        ("/lapstrake pass `srv`: fine\r\n", IMAGES, [("pass", ("srv",), "fine")]),
        (
            "Hello\n/lapstrake pass slim a\n/lapstrake fail srv b",
            IMAGES,
            [("pass", ("slim",), "a"), ("fail", ("srv",), "b")],
        ),
        ("> /lapstrake pass", ["srv"], []),
        (" /lapstrake pass", ["srv"], []),
        ("do /lapstrake pass", ["srv"], []),
        ("```\n/lapstrake pass\n```", ["srv"], []),
        ("~~~~\n~~~\n/lapstrake pass\n~~~~\n/lapstrake fail", ["srv"], [("fail", ("srv",), "")]),
        ("/lapstraker pass", ["srv"], []),
    ],
)
def test_commands(
    text: str, images: list[str], found: list[tuple[str, tuple[str, ...], str]]
) -> None:
    assert [(c.outcome, c.images, c.note) for c in commands_in(text, images)] == found
    assert has_command(text) == bool(found)


@pytest.mark.parametrize(
    "text", ["/lapstrake", "/lapstrake ok", "/lapstrake pass", "/lapstrake pass no fine"]
)
def test_what_is_no_command_is_said(text: str) -> None:
    with pytest.raises(UserError):
        commands_in(text, IMAGES)


@given(st.text())
def test_any_comment_is_read_or_refused(text: str) -> None:
    try:
        found = commands_in(text, ("srv",))
    except UserError:
        return
    assert bool(found) == has_command(text)


def marker(digest: str = "a", **more: str) -> Marker:
    images = {"srv": HandedImage(digest=f"sha256:{digest * 64}", at=NOON)}
    return Marker(family="fam", version="1.0.0", images=images, **more)


@given(above=st.text(), below=st.text(), about=st.text())
def test_a_body_is_read_as_it_was_written(above: str, below: str, about: str) -> None:
    """Unless people write a marker themselves."""
    first = write_body(marker(about=about), "ours\n- [ ] a", read_body(""))
    text = f"{above}{first}{below}"
    found = read_body(text)
    if "<!--" in above:
        return
    assert found.marker == marker(about=about)
    plain = above.replace("\r\n", "\n")
    assert found.above == plain
    again = write_body(marker(about=about), "ours\n- [ ] a", found)
    assert again == text.replace("\r\n", "\n")


def test_ticks_stay_with_their_digest() -> None:
    ours = "- [ ] a\n- [ ] b\n- [ ] a"
    text = write_body(marker(), ours, read_body("")).replace("- [ ] a", "- [x] a", 1)
    assert write_body(marker(), ours, read_body(text)).count("- [x] a") == 1
    assert "- [x]" not in write_body(marker("b"), ours, read_body(text))


@pytest.mark.parametrize("data", ["{}", '{"family": 1}', "{not json}", '{"family": "f"}'])
def test_a_marker_that_says_nothing_is_none(data: str) -> None:
    text = f"<!-- lapstrake handoff {data} -->\nx\n<!-- lapstrake handoff end -->"
    found = read_body(text)
    assert found.marker is None
    assert found.above == text


def test_verdicts_are_replaced_alone() -> None:
    text = f"a\r\n{verdicts_part('old')}\nb"
    new = r"new \1"
    assert with_verdicts(text, new) == f"a\n{verdicts_part(new)}\nb"
    assert with_verdicts("no place", "new") == "no place"


def test_a_page_elsewhere_leads_where_it_did() -> None:
    page = (
        "# A\n\n[a](demo/a.py) ![b](./b.png) [c](../../c.md#x) [d](https://e.example) [e](#a)\n\n"
        "```sh\n# not a heading [f](f)\n```\n\n###### Deep\n"
    )
    source = Source("https://github.com/o/r", "c" * 40, "sub/")
    text = embedded(Documents("runtimes/srv/verify.md", page), source, 2)
    top = f"https://github.com/o/r/blob/{'c' * 40}/sub"
    assert text.startswith("### A\n")
    assert f"[a]({top}/runtimes/srv/demo/a.py)" in text
    assert f"![b]({top}/runtimes/srv/b.png)" in text
    assert f"[c]({top}/c.md#x)" in text
    assert "[d](https://e.example) [e](#a)" in text
    assert "# not a heading [f](f)" in text
    assert text.endswith("###### Deep")
    assert "[a](runtimes/srv/demo/a.py)" in embedded(
        Documents("runtimes/srv/verify.md", page), Source(), 2
    )


def test_our_own_images_have_their_documents(top: Path) -> None:
    """All that are released."""
    definition = load(top)
    for name in definition.default:
        found = read_documents(definition, name)
        # what a page tells to send or to run is in the demo
        said = set(re.findall(r"(?:[@<] ?)((?:runtimes|images)/\S+/demo/\S+)", found.text))
        told = {p for p in said if "$" not in p}
        assert told <= set(found.demo), name
        assert bool(told) == bool(found.demo), name


def test_ingress_hosts_are_hosts() -> None:
    services = (
        Service(name="b", command=["b"], ports=[PortSpec(port=9, protocol="http")]),
        Service(
            name="a",
            command=["a"],
            main=True,
            ports=[PortSpec(port=8, name="rest", protocol="http")],
        ),
        Service(name="c", command=["c"], ports=[PortSpec(port=7, protocol="tcp")]),
    )
    found = rules("x" * 64, "1.2.0.rc1", services, "qa.example.org")
    assert [r.port for r in found] == [8, 9]
    assert found[0].host == f"{'x' * 63}.qa.example.org"
    assert found[1].host.startswith("b-9-xxx")
    assert all(len(r.host.partition(".")[0]) <= 63 for r in found)
    assert rules("srv", "1.0.0", services[2:], None) == ()
