"""Which layers the images share: one column a layer, as wide as its bytes; one row an image."""

from __future__ import annotations

from lapstrake_release.page import words
from lapstrake_release.page.facts import Image, Layer, PageFacts
from lapstrake_release.page.markup import Html, html, table, tag
from lapstrake_release.page.parts.images import SHARES, share

# The figure's width in its own units, the gap between two layers, and the least that is drawn.
_WIDTH, _GAP, _LEAST = 10_000, 9, 28


def layers(facts: PageFacts) -> Html:
    """The figure, and the same as a table."""
    spans = columns(facts.layers)
    return html(_intro(facts), _figure(facts, spans), _table(facts, spans))


def columns(found: tuple[Layer, ...]) -> list[tuple[int, int]]:
    """Where each layer's column begins and how wide it is, in units of the figure.

    Widths are in proportion to compressed bytes, but for the smallest, which could not be seen.
    """
    room = _WIDTH - _GAP * max(len(found) - 1, 0)
    total = sum(x.size for x in found) or 1
    small = {i for i, x in enumerate(found) if x.size * room < _LEAST * total}
    rest = sum(x.size for i, x in enumerate(found) if i not in small) or 1
    room = max(room - _LEAST * len(small), 0)
    spans, at = [], 0.0
    for i, layer in enumerate(found):
        width = _LEAST if i in small else max(layer.size * room / rest, 1)
        spans.append((round(at), max(round(at + width) - round(at), 1)))
        at += width + _GAP
    return spans


def _intro(facts: PageFacts) -> Html:
    whole = sum(i.size for i in facts.images)
    several = words.number(len(facts.images), "separate image")
    saved = f"; as {several} they would be {words.size(whole)}" if len(facts.images) > 1 else ""
    return tag(
        "p",
        f"{words.number(len(facts.layers), 'layer')} of {words.size(facts.stored)}, each stored "
        f"and sent once{saved}. ",
        "A column is a layer and as wide as its compressed bytes; a bar shows which of them an "
        "image has.",
        class_="lead",
    )


def _figure(facts: PageFacts, spans: list[tuple[int, int]]) -> Html:
    rows = [_row(i, facts, spans) for i in facts.images]
    scrub = tag(
        "div",
        tag("label", "Look at a layer", for_="scrub"),
        tag("input", type="range", id="scrub", min=0, max=len(facts.layers) - 1, value=0),
        tag("output", "Point at a bar, or move the slider.", for_="scrub"),
        class_="scrub",
        hidden=True,
    )
    return tag("figure", _legend(facts), tag("div", rows, class_="planks"), scrub, class_="sharing")


def _legend(facts: PageFacts) -> Html:
    family = len(facts.images)
    said = (f"in all {family}", "in most", "in a few", "in one only")
    kinds = dict(zip(SHARES, said, strict=True))
    sums = {k: sum(x.size for x in facts.layers if share(x, family) == k) for k in kinds}
    parts = [
        tag("li", tag("span", class_=f"swatch {k}"), text, tag("b", words.size(sums[k])))
        for k, text in kinds.items()
        if sums[k]
    ]
    return tag("ul", parts, class_="legend")


def _row(image: Image, facts: PageFacts, spans: list[tuple[int, int]]) -> Html:
    family = len(facts.images)
    has = sorted(set(image.layers))
    paths = []
    for kind in SHARES:
        drawn = "".join(
            f"M{spans[i][0]} 0h{spans[i][1]}v1h-{spans[i][1]}z"
            for i in has
            if share(facts.layers[i], family) == kind
        )
        if drawn:
            paths.append(tag("path", class_=kind, d=drawn))
    shared = words.size(image.size - image.own)
    picture = tag(
        "svg",
        paths,
        tag("rect", class_="here", width=0, height=1),
        viewBox=f"0 0 {_WIDTH} 1",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{image.name}: {words.number(len(has), 'layer')}, {shared} of "
        f"{words.size(image.size)} shared with other images",
    )
    return tag(
        "div",
        tag("span", image.name, class_="name"),
        picture,
        tag("span", words.size(image.size), class_="num"),
        class_="plank",
    )


def _table(facts: PageFacts, spans: list[tuple[int, int]]) -> Html:
    heads = [
        ("Layer", "text"),
        ("Kind", "text"),
        ("Size", "number"),
        ("Unpacked", "number"),
        ("Images", "number"),
        ("Digest", ""),
    ]
    rows = [_layer(x, s, facts) for x, s in zip(facts.layers, spans, strict=True)]
    caption = "Layers, with their size and the images that have them"
    found = table(caption, heads, tag("tbody", rows), id="t-layers")
    return tag(
        "details",
        tag("summary", f"All {words.number(len(facts.layers), 'layer')} as a table"),
        scrolled(found, "Layers"),
    )


def scrolled(inside: Html, label: str) -> Html:
    """A table that may be wider than a phone; keys scroll it, too."""
    return tag("div", inside, class_="scroll", role="region", aria_label=label, tabindex=0)


def _layer(layer: Layer, span: tuple[int, int], facts: PageFacts) -> Html:
    return tag(
        "tr",
        tag("th", layer.title or words.digest(layer.digest), scope="row"),
        tag("td", layer.kind),
        tag("td", words.size(layer.size), class_="num", data_value=layer.size),
        tag("td", _unpacked(layer), class_="num", data_value=layer.unpacked),
        tag("td", who(layer, facts), data_value=len(layer.images)),
        # as Docker shows it while it pulls
        tag("td", words.digest(layer.digest)),
        data_at=f"{span[0]} {span[1]}",
    )


def _unpacked(layer: Layer) -> str:
    return words.size(layer.unpacked) if layer.unpacked else "unknown"


def who(layer: Layer, facts: PageFacts) -> str:
    """The images that have a layer, in the fewest words."""
    names = [i.name for i in facts.images]
    lacking = [n for n in names if n not in layer.images]
    if not lacking and len(names) > 1:
        return f"all {len(names)}"
    if 0 < len(lacking) < len(layer.images) and len(lacking) <= 3:
        return f"all but {words.listed(lacking)}"
    return words.listed(layer.images)
