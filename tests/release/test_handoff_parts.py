"""The parts of a handoff that are text alone: commands, markers, documents, ingress rules."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapstrake.definition.load import load
from lapstrake.definition.models import PortSpec, Service
from lapstrake.dist import BuiltCuda
from lapstrake.errors import UserError
from lapstrake.registry.repository import Repository
from lapstrake.smoke.report import CheckResult, ImageSmoke
from lapstrake.store.store import Store
from lapstrake.version import Version
from lapstrake_release.handoff.body import MOST, body, verdict_lines
from lapstrake_release.handoff.comments import commands_in, has_command
from lapstrake_release.handoff.documents import embedded, read_documents
from lapstrake_release.handoff.facts import Documents, Handed, Handoff, Source
from lapstrake_release.handoff.ingress import rules
from lapstrake_release.handoff.marker import (
    HandedImage,
    Marker,
    read_body,
    verdicts_part,
    with_verdicts,
    write_body,
)
from lapstrake_release.published import Published
from lapstrake_release.verdicts.model import Verdict
from support.handed import SERVICE
from support.tinyimages import built, image

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


def verdicts(name: str, digest: str, count: int) -> tuple[Verdict, ...]:
    """Of as many people, each with a long note."""
    return tuple(
        Verdict(
            outcome="pass",
            family="fam",
            version="1.2.0",
            image=name,
            digest=digest,
            by=f"tester-{n}",
            note="n" * 300,
            at=NOON + timedelta(hours=n),
        )
        for n in range(count)
    )


def family(folder: Path, store: Store, count: int) -> Handoff:
    """As many images with services, pages and checks, in a registry that asks who one is."""
    plans = [replace(image(f"image-{n}", "x"), services=(SERVICE,)) for n in range(count)]
    found = []
    for one in built(folder / "dist", store, *plans).images:
        checks = [
            CheckResult(image=one.name, name=f"check {n}", verdict="passed") for n in range(9)
        ]
        smoke = ImageSmoke(name=one.name, digest=one.digest, seconds=1, checks=tuple(checks))
        place = Published(
            one.name, Version.parse("1.2.0"), Repository.parse("ghcr.io/x/fam"), "t", one.digest
        )
        page = Documents("verify.md", f"# Of {one.name}\n\n{'step ' * 200}")
        found.append(Handed(one, (place,), page, smoke, {}, ()))
    return Handoff("fam", "1.2.0", Source(), tuple(found), 1, None)


@pytest.mark.parametrize(
    ("count", "lists", "pages"), [(1, True, True), (20, False, True), (30, False, False)]
)
def test_a_large_family_fits_into_one_issue(
    tmp_path: Path, store: Store, count: int, lists: bool, pages: bool
) -> None:
    handoff = family(tmp_path, store, count)
    text = body(handoff, handoff.images)
    assert len(text) < MOST
    assert ("- check 8" in text) == ("kind: Ingress" in text) == lists
    assert ("step step" in text) == pages
    for handed in handoff.images:
        assert f"ghcr.io/x/fam:t@{handed.digest}" in text
        assert f"`{handed.name}-1-2-0.localhost`" in text
    assert text.count("docker login ghcr.io") == count
    # many verdicts make nothing else shorter
    said = [replace(i, verdicts=verdicts(i.name, i.digest, 9)) for i in handoff.images]
    after = body(handoff, said)
    assert len(after) <= MOST
    assert ("step step" in after) == pages
    with pytest.raises(UserError, match="no issue as long") if count > 1 else nullcontext():
        body(handoff, handoff.images, 20_000)


def test_of_many_verdicts_the_newest_that_count_are_told() -> None:
    given = verdicts("a", "sha256:0", 30)
    later = given[0].model_copy(update={"at": NOON + timedelta(days=9), "outcome": "fail"})
    text = verdict_lines([("a", (*given, later))], 1)
    assert len(text) < 5_000
    assert "| `a` | failed by tester-0 |" in text
    assert "`a` fail, tester-0" in text
    assert "`a` pass, tester-29" in text
    assert "`a` pass, tester-1," not in text
    assert re.search(r"- \d\d more, which `lapstrake verdict` lists$", text)


def test_who_has_a_gpu_is_told_how_to_give_it(tmp_path: Path, store: Store) -> None:
    handoff = family(tmp_path, store, 1)
    assert "--gpus" not in body(handoff, handoff.images)
    (handed,) = handoff.images
    cuda = BuiltCuda(version="12.8.1", flavour="base", source="wheels", folder="12.8")
    with_cuda = replace(handed, image=handed.image.model_copy(update={"cuda": cuda}))
    assert "`--gpus all`" in body(handoff, [with_cuda])
