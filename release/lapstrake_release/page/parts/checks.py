"""What was seen in the running containers: failures first, then every check of every image."""

from __future__ import annotations

from lapstrake.report.console import seconds_text
from lapstrake.smoke.report import CheckResult
from lapstrake_release.page import words
from lapstrake_release.page.facts import Image, PageFacts
from lapstrake_release.page.gather import worst
from lapstrake_release.page.markup import Html, html, table, tag
from lapstrake_release.page.parts.images import anchor, counts, tools

_ORDER = {"failed": 0, "passed": 1, "skipped": 2}

# One check in the strip of an image: its width and the gap after it.
_TICK, _STEP = 6, 9


def checks(facts: PageFacts) -> Html:
    """All verdicts; a sentence where there are none."""
    if not facts.tested_by:
        return tag(
            "p",
            "These images were not checked: run ",
            tag("code", "lapstrake smoke"),
            ".",
            class_="lead",
        )
    states = [s for s in _ORDER if facts.count(s)]
    several = [("any", "All checks"), *((s, s.capitalize()) for s in states)]
    return html(
        _intro(facts),
        tools("t-checks", "Filter checks", "Check or image…", several, "check"),
        tag("div", [_image(i) for i in facts.images], id="t-checks", class_="checked"),
    )


def _intro(facts: PageFacts) -> Html:
    parts = [f"{facts.count(s):,} {s}" for s in _ORDER if facts.count(s)]
    return tag(
        "p",
        f"Each image was started in real containers ({facts.tested_by}): {words.listed(parts)}.",
        class_="lead",
    )


def _image(image: Image) -> Html:
    state = worst(image.checks)
    name = tag("span", image.name, class_="name")
    if image.checks is None:
        said = tag("p", words.icon(state), " ", name, tag("span", "not checked", class_="about"))
        return tag("div", said, class_="unchecked", id=f"checks-{anchor(image.name)}")
    skipped = image.count("skipped")
    summary = tag(
        "summary",
        words.icon(state),
        " ",
        name,
        _strip(image.checks),
        tag(
            "span",
            words.said(counts(image), f"{skipped} skipped" if skipped else ""),
            class_=f"about {state}",
        ),
    )
    heads = [(t, "") for t in ("Check", "Verdict", "Time", "What was seen")]
    rows = [_check(c) for c in sorted(image.checks, key=lambda c: _ORDER[c.verdict])]
    return tag(
        "details",
        summary,
        table(f"Checks of {image.name}", heads, tag("tbody", rows)),
        open=bool(image.count("failed")),
        # a link leads to what lies inside, which opens it
        data_words=image.name,
        id=f"checks-{anchor(image.name)}",
    )


def _strip(found: tuple[CheckResult, ...]) -> Html:
    """All verdicts at a glance, in the order in which the checks are made."""
    paths = []
    for verdict in _ORDER:
        drawn = "".join(
            f"M{at * _STEP} 0h{_TICK}v16h-{_TICK}z"
            for at, c in enumerate(found)
            if c.verdict == verdict
        )
        if drawn:
            paths.append(tag("path", class_=verdict, d=drawn))
    width = len(found) * _STEP
    return tag(
        "svg",
        paths,
        class_="strip",
        preserveAspectRatio="xMinYMid",
        viewBox=f"0 0 {width} 16",
        width=width,
        height=16,
        aria_hidden="true",
    )


def _check(check: CheckResult) -> Html:
    return tag(
        "tr",
        tag("th", tag("code", check.name), scope="row"),
        tag("td", words.icon(check.verdict), f" {check.verdict}", class_=check.verdict),
        tag("td", seconds_text(check.seconds) if check.seconds >= 0.05 else "", class_="num"),
        tag("td", _seen(check), class_="seen"),
        data_state=check.verdict,
    )


def _seen(check: CheckResult) -> Html:
    if check.verdict != "failed":
        return html(check.why)
    parts = [("Expected", check.expected), ("Seen", check.seen)]
    told = tag("dl", [html(tag("dt", k), tag("dd", v)) for k, v in parts if v])
    return html(told, _log(check))


def _log(check: CheckResult) -> Html:
    if not check.log:
        return html()
    lines = words.number(len(check.log), "line")
    return tag(
        "details",
        tag("summary", f"The last {lines} of the log"),
        tag(
            "pre",
            "\n".join(check.log),
            tabindex=0,
            role="region",
            aria_label=f"Log of {check.name}",
        ),
        open=True,
        class_="log",
    )
