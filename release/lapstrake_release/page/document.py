"""The whole page: head, summary, sections, and what makes them work without a network."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from lapstrake import __version__
from lapstrake_release.page import words
from lapstrake_release.page.facts import PageFacts
from lapstrake_release.page.markup import Html, tag
from lapstrake_release.page.parts.changes import changes
from lapstrake_release.page.parts.channels import channels
from lapstrake_release.page.parts.checks import checks
from lapstrake_release.page.parts.images import images
from lapstrake_release.page.parts.layers import layers

# Strokes in a box of 16 by 16. The mark is three planks, each lapping over the one below.
_ICONS = {
    "passed": "M3.5 8.5l3 3 6-7",
    "failed": "M4 4l8 8M12 4l-8 8",
    "skipped": "M4 8h8",
    "untested": "M4 8h8",
    "ahead": "M3 8h9M8.5 4.5L12 8l-3.5 3.5",
    "back": "M13 8H4M7.5 4.5L4 8l3.5 3.5",
    "mark": "M1 4.5h14M2 8.5h12M4 12.5h8",
}


def page(facts: PageFacts) -> str:
    """The page as one HTML document, which loads nothing from anywhere."""
    sections = _sections(facts)
    body = tag(
        "body",
        tag("a", "Skip to the images", href="#images", class_="skip"),
        _icons(),
        _header(facts),
        _navigation([(name, title) for name, title, _ in sections]),
        tag("main", [_section(*s) for s in sections]),
        _footer(),
        tag("div", id="said", class_="unseen", role="status"),
        Html(f"<script>{asset('page.js')}</script>"),
    )
    return f"<!doctype html>\n{tag('html', _head(facts), body, lang='en')}\n"


@cache
def asset(name: str) -> str:
    """A file of the page's own."""
    place = resources.files("lapstrake_release.page") / "assets" / name
    return place.read_text(encoding="utf-8")


def policy() -> str:
    """What a browser lets the page do: run our script, use our style, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_allowed('page.css')}",
            f"script-src {_allowed('page.js')}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _allowed(name: str) -> str:
    digest = hashlib.sha256(asset(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _head(facts: PageFacts) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy()),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"lapstrake {__version__}"),
        tag("title", f"{facts.family} {facts.version}"),
        # without one, a browser asks the server for an icon
        tag("link", rel="icon", href=_favicon()),
        Html(f"<style>{asset('page.css')}</style>"),
    )


def _favicon() -> str:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="none" '
        f'stroke="#0b6079" stroke-width="2.6" stroke-linecap="round" d="{_ICONS["mark"]}"/></svg>'
    )
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"


def _icons() -> Html:
    symbols = [
        tag("symbol", tag("path", d=path), id=f"i-{name}", viewBox="0 0 16 16")
        for name, path in _ICONS.items()
    ]
    return tag("svg", symbols, class_="unseen", aria_hidden="true", width=0, height=0)


def _header(facts: PageFacts) -> Html:
    about = words.said(
        facts.platform,
        f"{facts.engine} engine" if facts.engine else "",
        f"lapstrake {facts.lapstrake}" if facts.lapstrake else "",
    )
    return tag(
        "header",
        tag(
            "h1",
            words.icon("mark"),
            tag("span", facts.family),
            " ",
            tag("span", facts.version, class_="version"),
        ),
        tag("p", about, f" {chr(0xB7)} files dated ", words.of_epoch(facts.epoch), class_="about"),
        tag("dl", [_figure(*f) for f in _figures(facts)], class_="figures"),
    )


def _figure(name: str, value: str, about: str, state: str = "") -> Html:
    return tag(
        "div",
        tag("dt", name),
        tag(
            "dd",
            words.icon(state) if state else None,
            f" {value}" if state else value,
            class_=state or None,
        ),
        tag("dd", about, class_="about"),
    )


def _figures(facts: PageFacts) -> list[tuple[str, ...]]:
    whole = sum(i.size for i in facts.images)
    once = f"{words.size(whole)} unshared" if len(facts.images) > 1 else "compressed"
    found: list[tuple[str, ...]] = [
        ("Images", f"{len(facts.images)}", "in this family" if len(facts.images) > 1 else "built"),
        ("Layers", f"{len(facts.layers)}", "each stored once"),
        ("To store", words.size(facts.stored), once),
    ]
    if facts.checked:
        found.append(_checked(facts))
    if held := [c for c in facts.channels or () if c.version]:
        last = held[-1]
        state = "failed" if last.trouble else ""
        found.append(
            (f"In {last.name}", last.version, last.trouble or f"move {last.number}", state)
        )
    if facts.changes is not None:
        changed = sum(not c.equal for c in facts.changes.images)
        found.append(("Changed", f"{changed}", f"since {facts.changes.against}"))
    return found


def _checked(facts: PageFacts) -> tuple[str, ...]:
    failed, passed = facts.count("failed"), facts.count("passed")
    skipped = facts.count("skipped")
    about = f"{skipped} skipped" if skipped else "none skipped"
    untested = [i.name for i in facts.images if i.checks is None]
    if failed:
        return "Checks", f"{failed} failed", f"{passed} passed, {about}", "failed"
    if untested:
        many = words.number(len(untested), "image")
        return "Checks", "not all made", f"{many} not checked", "untested"
    return "Checks", f"{passed} passed", about, "passed"


def _sections(facts: PageFacts) -> list[tuple[str, str, Html]]:
    found = [
        ("images", "Images", images(facts)),
        ("layers", "Shared layers", layers(facts)),
    ]
    if facts.checked:
        found.append(("checks", "Checks", checks(facts)))
    if facts.channels:
        found.append(("channels", "Channels", channels(facts)))
    if facts.changes is not None:
        found.append(("changes", f"Changes since {facts.changes.against}", changes(facts.changes)))
    return found


def _section(name: str, title: str, inside: Html) -> Html:
    return tag(
        "section", tag("h2", title, id=f"h-{name}"), inside, id=name, aria_labelledby=f"h-{name}"
    )


def _navigation(sections: list[tuple[str, str]]) -> Html:
    short = {"layers": "Layers", "changes": "Changes"}
    links = [
        tag("li", tag("a", short.get(name, title), href=f"#{name}")) for name, title in sections
    ]
    return tag("nav", tag("ul", links), aria_label="Sections")


def _footer() -> Html:
    return tag(
        "footer",
        tag(
            "p",
            f"Written by lapstrake {__version__}. This file loads nothing from anywhere; digests "
            "are what counts.",
        ),
    )
