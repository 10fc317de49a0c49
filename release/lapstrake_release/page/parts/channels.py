"""What each channel holds now, and how it came there."""

from __future__ import annotations

from lapstrake_release.page import words
from lapstrake_release.page.facts import Channel, Move, PageFacts
from lapstrake_release.page.markup import Html, html, table, tag
from lapstrake_release.page.parts.images import tools
from lapstrake_release.page.parts.layers import scrolled


def channels(facts: PageFacts) -> Html:
    """The channels in their order, then every move, the newest first."""
    found = facts.channels or ()
    asked = f"As {facts.repository} had it"
    when = html(" on ", words.moment(facts.read_at)) if facts.read_at else None
    return html(
        tag("p", asked, when, ".", class_="lead"),
        tag("ol", [_channel(c, facts) for c in found], class_="channels"),
        _history(found),
    )


def _channel(channel: Channel, facts: PageFacts) -> Html:
    held = [h for h in channel.images if h.digest]
    head = tag("h3", channel.name)
    if not held:
        return tag("li", head, tag("p", "empty", class_="version none"))
    last = next((m for m in channel.moves if m.number == channel.number), None)
    return tag(
        "li",
        head,
        tag("p", channel.version or "unknown", class_="version"),
        tag(
            "p",
            f"{channel.name}.{channel.number}" if channel.number else None,
            html(", by ", tag("b", last.by), ", ", words.moment(last.at)) if last else None,
            class_="about",
        ),
        tag("p", words.icon("failed"), f" {channel.trouble}", class_="failed")
        if channel.trouble
        else None,
        tag("p", _same(channel, facts), class_="about"),
    )


def _same(channel: Channel, facts: PageFacts) -> str:
    """How far it has the images that this page is about."""
    now = {i.name: i.digest for i in facts.images}
    held = [h for h in channel.images if h.digest]
    same = [h for h in held if now.get(h.image) == h.digest]
    if len(same) == len(held) == len(now):
        return "the images of this page"
    if not same:
        return f"{words.number(len(held), 'image')}, none as on this page"
    return f"{len(same)} of {words.number(len(held), 'image')} as on this page"


def _history(found: tuple[Channel, ...]) -> Html:
    moves = sorted(
        ((c.name, m) for c in found for m in c.moves), key=lambda x: (x[1].at, x[0], x[1].number)
    )
    if not moves:
        return tag("p", "Nothing was ever moved.")
    named = [("any", "All channels"), *((c.name, c.name) for c in found if c.moves)]
    heads = [("Move", "text"), ("When", "text"), ("Version", "text"), ("By", "text"), ("Why", "")]
    rows = [_move(name, m) for name, m in reversed(moves)]
    caption = "Moves of all channels, the newest first"
    history = table(caption, heads, tag("tbody", rows), id="t-moves")
    older = sum(c.older for c in found)
    return html(
        tools("t-moves", "Filter moves", "Version, person, reason…", named, "move"),
        scrolled(history, "History of the channels"),
        tag("p", f"{words.number(older, 'older move')} are in the registry.", class_="about")
        if older
        else None,
    )


def _move(channel: str, move: Move) -> Html:
    back = move.kind == "rollback"
    version = tag("b", move.version)
    return tag(
        "tr",
        tag(
            "th",
            tag("code", f"{channel}.{move.number}"),
            _badge(move.state),
            scope="row",
            data_value=f"{channel}.{move.number:09}",
        ),
        tag("td", words.moment(move.at)),
        tag(
            "td",
            words.icon("back" if back else "ahead"),
            " ",
            version,
            tag(
                "span",
                " rolled back" if back else "",
                f" from {move.before}" if move.before else "",
                class_="about",
            ),
        ),
        tag("td", move.by),
        tag("td", move.why, class_="why"),
        data_state=channel,
    )


def _badge(state: str) -> Html:
    if state == "done":
        return html()
    words_for = {"moving": "unfinished", "undone": "undone"}
    return tag(
        "span", words_for[state], class_=f"badge {'failed' if state == 'moving' else 'none'}"
    )
