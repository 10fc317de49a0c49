"""The family: one row an image, and below it what one needs to use the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lapstrake.definition.models import PortSpec
from lapstrake_release.page import words
from lapstrake_release.page.facts import Command, Image, Layer, PageFacts
from lapstrake_release.page.gather import worst
from lapstrake_release.page.markup import Html, html, link, table, tag
from lapstrake_release.scan.model import LEVELS, Findings
from lapstrake_release.verdicts.model import Verdict, said, standing

# So many vulnerabilities are named, the worst first.
_NAMED = 6

# The size bar's own units; the largest image fills it.
_BAR = 1000

# Whether all images of the family have a layer, more than half, fewer, or one alone.
SHARES = ("all", "most", "few", "own")

STATES = {"failed": "Checks failed", "passed": "Checks passed", "untested": "Not checked"}


def images(facts: PageFacts) -> Html:
    """The table of images."""
    columns = list(_columns(facts))
    heads = [("Image", "text"), *((c.title, c.sort) for c in columns)]
    bodies = [_body(i, facts, columns) for i in facts.images]
    caption = "Images, with their size and digest"
    return html(_tools(facts), table(caption, heads, bodies, class_="images", id="t-images"))


@dataclass(frozen=True)
class _Column:
    """One column: `sort` is `number`, `text` or empty; `cell` makes the whole cell."""

    title: str
    sort: str
    cell: Callable[[Image], Html]


def _columns(facts: PageFacts) -> Iterator[_Column]:
    """Those that there is something to say in."""
    yield _Column("Size", "number", lambda i: _size(i, facts))
    yield _Column("Not shared", "number", _own)
    if facts.checked:
        yield _Column("Checks", "number", _checks)
    if any(i.verdicts is not None for i in facts.images):
        yield _Column("Testers", "text", lambda i: tag("td", _tester(i), data_label="Testers"))
    yield _Column("Digest", "", lambda i: tag("td", _digest(i.digest), data_label="Digest"))


def anchor(name: str) -> str:
    """The id of an image's row; names that could be no id at all don't come out of a build."""
    return f"image-{''.join(c if c.isalnum() or c in '-_.' else '_' for c in name)}"


def _tools(facts: PageFacts) -> Html:
    there = {worst(i.checks) for i in facts.images}
    states = [s for s in STATES if s in there]
    return tools(
        "t-images",
        "Filter images",
        "Name, tag or port…",
        [("any", "All images"), *((s, STATES[s]) for s in states)],
        "image",
    )


def tools(target: str, label: str, hint: str, states: list[tuple[str, str]], noun: str) -> Html:
    """What filters a table; it stays hidden where no script runs."""
    field = tag(
        "label",
        tag("span", label, class_="unseen"),
        tag("input", type="search", placeholder=hint, autocomplete="off", spellcheck="false"),
    )
    choice = tag(
        "label",
        tag("span", f"{label} by state", class_="unseen"),
        tag("select", [tag("option", text, value=value) for value, text in states]),
    )
    count = tag("output", class_="count", aria_live="polite")
    # one state besides `any` would tell nothing apart
    several = choice if len(states) > 2 else None
    return tag(
        "div", field, several, count, class_="tools", hidden=True, data_for=target, data_noun=noun
    )


def _body(image: Image, facts: PageFacts, columns: Sequence[_Column]) -> Html:
    name = tag(
        "th",
        tag("span", image.name, class_="name"),
        tag("span", image.description, class_="about") if image.description else None,
        scope="row",
        data_find=True,
    )
    row = tag("tr", name, [c.cell(image) for c in columns])
    more = tag("td", _details(image, facts), colspan=len(columns) + 1)
    return tag(
        "tbody",
        row,
        tag("tr", more, class_="more"),
        id=anchor(image.name),
        data_state=worst(image.checks),
    )


def _size(image: Image, facts: PageFacts) -> Html:
    most = max(i.size for i in facts.images)
    return tag(
        "td",
        words.size(image.size),
        bar(image, facts.layers, len(facts.images), most),
        class_="size",
        data_value=image.size,
        data_label="Size",
    )


def _own(image: Image) -> Html:
    shown = words.size(image.own)
    return tag("td", shown, class_="num", data_value=image.own, data_label="Not shared")


def _digest(value: str) -> Html:
    return tag("span", words.digest(value), class_="copied", data_copy=value, data_what="digest")


def bar(image: Image, layers: tuple[Layer, ...], family: int, most: int) -> Html:
    """An image's bytes as a line: what all share first, what only it has last."""
    parts = dict.fromkeys(SHARES, 0)
    for at in dict.fromkeys(image.layers):
        parts[share(layers[at], family)] += layers[at].size
    left, paths = 0.0, []
    for kind, count in parts.items():
        width = count * _BAR / (most or 1)
        if count:
            drawn = f"M{left:.0f} 0h{max(width, 1):.0f}v6H{left:.0f}z"
            paths.append(tag("path", class_=kind, d=drawn))
        left += width
    return tag(
        "svg",
        paths,
        class_="bar",
        viewBox=f"0 0 {_BAR} 6",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def share(layer: Layer, family: int) -> str:
    """Who has a layer; one of `SHARES`."""
    count = len(layer.images)
    if count == 1:
        return "own"
    if count == family:
        return "all"
    return "most" if 2 * count > family else "few"


def _checks(image: Image) -> Html:
    state = worst(image.checks)
    return tag(
        "td",
        words.icon(state),
        " ",
        tag("a", counts(image), href=f"#checks-{anchor(image.name)}")
        if image.checks
        else "not checked",
        class_=state,
        data_value=image.count("failed") * 1000 - image.count("passed"),
        data_label="Checks",
    )


def counts(image: Image) -> Html:
    """`24 passed`, and how many failed where any did."""
    failed = image.count("failed")
    return words.said(f"{failed} failed" if failed else "", f"{image.count('passed')} passed")


def _tester(image: Image) -> Html:
    last = standing(image.verdicts or ())
    state = "untested"
    if last:
        state = "passed" if all(v.outcome == "pass" for v in last) else "failed"
    return tag("span", words.icon(state), " ", said(image.verdicts or ()), class_=state)


def _details(image: Image, facts: PageFacts) -> Html:
    return tag(
        "details",
        tag(
            "summary",
            "Pull commands and details",
            tag("span", f" of {image.name}", class_="unseen"),
        ),
        tag("div", [command(c, image.name) for c in image.pulls], class_="commands"),
        tag("dl", [_fact(k, v) for k, v in _known(image, facts)], class_="known"),
    )


def command(shown: Command, name: str) -> Html:
    """A line to copy."""
    return tag(
        "div",
        tag("span", shown.label, class_="label"),
        tag("pre", tag("code", shown.line, data_copy=True, data_what=f"command for {name}")),
        class_="command",
    )


def _fact(name: str, value: Html) -> Html:
    return html(tag("dt", name), tag("dd", value))


def _known(image: Image, facts: PageFacts) -> Iterator[tuple[str, Html]]:
    for label, value in (("Manifest", image.digest), ("Config", image.config)):
        shown = words.digest(value, whole=True)
        yield label, tag("span", shown, data_copy=value, data_what=f"{label.lower()} digest")
    if image.tags:
        yield (
            "Names",
            tag(
                "ul",
                [tag("li", tag("code", t)) for t in image.tags],
                class_="plain",
                data_find=True,
            ),
        )
    if image.services:
        yield (
            "Services",
            tag("ul", [tag("li", s) for s in _services(image)], class_="plain", data_find=True),
        )
    if image.extends:
        yield "Extends", html(image.extends)
    if image.python:
        yield "Python", html(image.python)
    distinct = [facts.layers[at] for at in dict.fromkeys(image.layers)]
    alone = sum(len(x.images) == 1 for x in distinct)
    yield "Layers", html(f"{len(image.layers)}, of which {alone or 'none'} in no other image")
    if image.budget is not None:
        used = words.quantity(image.size, image.budget)
        yield "Size limit", html(f"{words.size(image.budget)}, {used} used")
    if image.findings is not None:
        yield "Last scan", _scan(image.findings)
    for verdict in reversed(image.verdicts or ()):
        yield "Verdict", _verdict(verdict)


def _scan(found: Findings) -> Html:
    """How many vulnerabilities of which severity a scanner knew, and the names of the worst."""
    counts = Counter(f.severity for f in found.findings)
    said = [f"{counts[level]} {level}" for level in reversed(LEVELS) if counts[level]]
    worst = list(dict.fromkeys(f.id for f in sorted(found.findings, key=lambda f: f.order)))
    more = f" and {len(worst) - _NAMED} more" if len(worst) > _NAMED else ""
    named = f"{', '.join(worst[:_NAMED])}{more}"
    return html(
        f"{found.scanner} {found.scanner_version}".strip(),
        ", ",
        words.moment(found.at),
        f": {words.listed(said) or 'nothing found'}",
        tag("p", named, class_="note") if worst else None,
    )


def _services(image: Image) -> Iterator[Html]:
    for service in image.services:
        ports = [tag("li", f"{p.port} {_port(p)}".strip()) for p in service.ports]
        yield html(tag("code", service.name), tag("ul", ports, class_="ports") if ports else None)


def _port(port: PortSpec) -> str:
    known = [port.name, "" if port.name == port.protocol else port.protocol, port.path]
    return " ".join(x for x in known if x)


def _verdict(verdict: Verdict) -> Html:
    state = "passed" if verdict.outcome == "pass" else "failed"
    return tag(
        "div",
        tag("span", words.icon(state), f" {state} by ", tag("b", verdict.by), class_=state),
        ", ",
        words.moment(verdict.at),
        html(", ", link(verdict.source, "on the issue")) if verdict.source else None,
        tag("p", verdict.note, class_="note") if verdict.note else None,
        class_="verdict",
    )
