"""Whatever names, logs and notes hold: it is text on the page, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_browser import Opener
from page_facts import eventful

from lapstrake_release.page.document import page, policy
from lapstrake_release.page.facts import Channel, Held, Layer, Move, PageFacts
from lapstrake_release.page.markup import clean, link, tag
from lapstrake_release.scan.compare import Look, Risk, Risks

HOSTILE = [
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 1</script>",
    "</style><img src=x onerror='window.owned = 1'>",
    '"><svg onload="window.owned = 1">',
    "' autofocus onfocus='window.owned = 1",
    "&lt;b&gt; &amp; <!-- ]]> --",
    "{{7*7}} ${7*7} javascript:alert(1)",
    "a\u202eexe.gnp\u2066b",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x00\x08 \ud800 \ufffe",
    "a\r\nb\tc",
]


def hostile(text: str) -> PageFacts:
    """Facts that say `text` wherever somebody's text can stand."""
    facts = eventful(3, 2)
    layers = tuple(replace(x, title=text, kind=text) for x in facts.layers)
    images = []
    for image in facts.images:
        checks = tuple(
            c.model_copy(
                update=dict.fromkeys(("expected", "seen", "why"), text) | {"log": (text, text)}
            )
            for c in image.checks or ()
        )
        said = tuple(
            v.model_copy(update={"by": text, "note": text, "source": text})
            for v in image.verdicts or ()
        )
        images.append(
            replace(
                image,
                description=text,
                extends=text,
                tags=(text,),
                python=text,
                digest=text,
                pulls=tuple(replace(p, label=text, line=text) for p in image.pulls),
                checks=checks or None,
                verdicts=said,
            )
        )
    move = Move(1, "promote", text, text, datetime(2026, 1, 1, tzinfo=UTC), text, text, "moving")
    channel = Channel(text, 1, text, (Held(images[0].name, text),), text, (move,))
    assert facts.changes is not None
    risk = Risk(text, "high", (text,), text)
    look = Look(text, datetime(2026, 1, 1, tzinfo=UTC))
    changed = replace(facts.changes.images[1], risks=Risks(look, look, (risk,), (risk,)))
    changes = replace(
        facts.changes, against=text, images=(changed,), added=(text,), removed=(text,)
    )
    return replace(
        facts,
        family=text,
        version=text,
        platform=text,
        engine=text,
        lapstrake=text,
        tested_by=text,
        repository=text,
        images=(replace(images[0], name=text), *images[1:]),
        layers=layers,
        channels=(channel,),
        changes=changes,
    )


@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_stays_text_in_a_browser(opened: Opener, text: str) -> None:
    with opened(hostile(text)) as browser:
        assert browser.evaluate("window.owned") is None
        assert browser.evaluate("document.scripts.length") == 1
        assert browser.evaluate("document.querySelectorAll('img, iframe, object').length") == 0
        handlers = """[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes])
            .filter((a) => a.name.startsWith('on') || a.name === 'style').length"""
        assert browser.evaluate(handlers) == 0
        links = browser.evaluate("[...document.links].map((a) => a.getAttribute('href'))")
        assert all(x.startswith("#") for x in links)
        seen = browser.locator("#t-images .about").first.text_content()
        assert seen == clean(text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    reader = _Reader()
    reader.feed(tag("p", text, title=text))
    reader.close()
    assert reader.elements == [("p", [("title", clean(text))])]
    assert reader.text == clean(text)
    assert clean(text).encode().decode() == clean(text)


@given(st.text())
def test_what_was_cleaned_is_clean(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https:///x", " https://x", ""],
)
def test_only_addresses_on_the_web_are_linked(address: str) -> None:
    assert link(address, "text") == "text"
    assert 'href="https://a.example/?a=1&amp;b=2"' in link("https://a.example/?a=1&b=2", "text")


def test_a_terminal_s_colours_are_left_out() -> None:
    assert clean("\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\") == "red link"


def test_the_policy_lets_our_script_and_style_run_and_no_other() -> None:
    found = page(eventful())
    assert "unsafe" not in policy()
    assert "default-src 'none'" in policy()
    assert len(re.findall(r"<script", found)) == len(re.findall(r"<style", found)) == 1
    assert not re.search(r'\s(?:style|on\w+)="', found)
    assert not re.search(r'(?:src|href)="(?!#|data:image/svg|https://github\.example/)', found)


def test_layers_without_a_title_are_called_by_their_digest() -> None:
    facts = eventful(2)
    nameless = Layer("sha256:" + "1" * 64, "", "", 10, 20, ("base", "slim"))
    found = page(replace(facts, layers=(nameless, *facts.layers[1:])))
    assert "111111111111…" in found
