"""Markup by construction: text is escaped unless it was made here.

A plain `str` is text of somebody's, whatever it holds; only `Html` goes through as it is, and only
`tag` and `html` make any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias

# Elements that have no content, and so no end tag; those of SVG have to say so.
_VOID: Final = {"input", "link", "meta"}
_EMPTY: Final = {"path", "rect", "use"}

# What a terminal makes colours and titles of.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")

# What HTML can't hold, what is not to be seen, and what would turn the text around it.
_UNFIT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


class Html(str):
    """Markup; its text was escaped."""

    __slots__ = ()


# What can stand in an element: text, markup, nothing, or several of them.
Inside: TypeAlias = "str | Iterable[Inside] | None"
Value = str | int | bool | None


def html(*inside: Inside) -> Html:
    """All of it, one after the other; plain text is escaped."""
    return Html("".join(_one(part) for part in inside))


def tag(name: str, /, *inside: Inside, **attributes: Value) -> Html:
    """An element; `class_` is `class`, `aria_label` `aria-label`; None and False are left out."""
    opened = f"<{name}{''.join(_attribute(k, v) for k, v in attributes.items())}"
    if name in _VOID:
        return Html(f"{opened}>")
    if name in _EMPTY:
        return Html(f"{opened}/>")
    return Html(f"{opened}>{html(*inside)}</{name}>")


def table(
    caption: str, heads: Iterable[tuple[Inside, str]], *bodies: Inside, **attributes: Value
) -> Html:
    """A table; its caption is for those who don't see it.

    Args:
        caption: what it is about.
        heads: each column's title, and what it can be sorted as: `text`, `number`, or empty.
        bodies: one `tbody` or several.
        attributes: of the table.
    """
    row = [tag("th", title, scope="col", data_sort=sort or None) for title, sort in heads]
    head = html(tag("caption", caption, class_="unseen"), tag("thead", tag("tr", row)))
    return tag("table", head, *bodies, **attributes)


def link(url: str, *inside: Inside) -> Html:
    """A link to somewhere on the web; just the text where the address is of another kind."""
    if not re.match(r"https?://[^\s/]", url):
        return html(*inside)
    return tag("a", *inside, href=url, rel="noreferrer noopener")


def clean(text: str) -> str:
    """Text without a terminal's colours; what can't or shouldn't be seen becomes U+FFFD."""
    plain = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", plain)


def _one(part: Inside) -> str:
    if part is None:
        return ""
    if isinstance(part, Html):
        return part
    if isinstance(part, str):
        return escape(clean(part), quote=False)
    return "".join(_one(p) for p in part)


def _attribute(name: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    key = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {key}"
    return f' {key}="{escape(clean(str(value)))}"'
