"""Numbers, times and digests as the page writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from lapstrake.report.console import bytes_text
from lapstrake_release.page.markup import Html, html, tag

# Of a digest's 64 hexadecimal digits so many are shown where there is little room.
_SHORT = 12

_NO_BREAK = "\N{NO-BREAK SPACE}"


def size(count: int) -> str:
    """Bytes, in powers of 1000; number and unit stay together."""
    return bytes_text(count).replace(" ", _NO_BREAK)


def change(count: int) -> str:
    """A difference in bytes with its sign."""
    if count == 0:
        return "±0"
    return f"{'+' if count > 0 else '−'}{size(abs(count))}"  # noqa: RUF001 - a minus, not a hyphen


def number(count: int, one: str, many: str = "") -> str:
    """`1 image`, `3 images`."""
    return f"{count:,}{_NO_BREAK}{one if count == 1 else many or f'{one}s'}"


def listed(names: tuple[str, ...] | list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names or [""]
    return f"{', '.join(first)} and {last}" if first else last


def day(at: datetime) -> str:
    """`2026-11-21`, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def moment(at: datetime) -> Html:
    """`2026-11-21 14:05 UTC`, readable for machines too."""
    when = at.astimezone(UTC)
    return tag(
        "time", when.strftime("%Y-%m-%d %H:%M UTC"), datetime=when.strftime("%Y-%m-%dT%H:%MZ")
    )


def of_epoch(epoch: int) -> Html:
    """The day of a time in seconds."""
    when = datetime.fromtimestamp(epoch, UTC)
    return tag("time", day(when), datetime=day(when))


def digest(value: str, *, whole: bool = False) -> Html:
    """A digest, in full or as its first digits; what is copied is always all of it."""
    if whole:
        return tag("code", value, class_="digest")
    algorithm, _, digits = value.partition(":")
    shown = f"{digits[:_SHORT]}…" if len(digits) > _SHORT else digits or algorithm
    return tag("code", shown, class_="digest", title=value)


def icon(name: str) -> Html:
    """A small picture beside a word that says the same."""
    use = tag("use", href=f"#i-{name}")
    return tag("svg", use, class_=f"icon {name}", aria_hidden="true")


def quantity(part: int, whole: int) -> str:
    """A share in percent, for people."""
    share = 100 * part / whole if whole else 0
    return f"{share:.0f}{_NO_BREAK}%" if share >= 1 or not part else f"<1{_NO_BREAK}%"


def said(*parts: str) -> Html:
    """Sentences or phrases with a middle dot between them; empty ones are left out."""
    return html(f" {chr(0xB7)} ".join(p for p in parts if p))
