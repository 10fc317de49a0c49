"""How issues of ours are found again, and what of them is ours.

All that stands between two comments is written by us, and rewritten; what people write above and
below stays. The first comment says which images at which digests the issue is about, and since
when: a verdict given in it is about those.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from lapstrake_release.verdicts.model import Verdict

_BEGIN = re.compile(r"<!-- lapstrake handoff (?P<data>\{.*?\}) -->[ \t]*\n?")
_END = "<!-- lapstrake handoff end -->"
_VERDICTS = re.compile(
    r"(<!-- lapstrake verdicts -->\n).*?(<!-- lapstrake verdicts end -->)", re.DOTALL
)
_BOX = re.compile(r"^(?P<begin>\s*[-*] )\[(?P<mark>[ xX])\] (?P<text>.*)$")
_BUG = re.compile(r"<!-- lapstrake failed (?P<image>\S+) (?P<digest>sha256:[0-9a-f]{64}) -->")


class HandedImage(BaseModel):
    """A digest, and since when the issue is about it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    digest: str
    at: AwareDatetime


class Marker(BaseModel):
    """What the first comment says; `about` is an image's name, or empty for the family."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    family: str
    version: str
    about: str = ""
    images: dict[str, HandedImage] = {}

    def is_for(self, family: str, version: str | None) -> bool:
        """Whether the issue is about a version of a family; about any where that is None."""
        return self.family == family and version in {None, self.version}


@dataclass(frozen=True)
class Body:
    """An issue's text: what is ours, and what people wrote above and below."""

    marker: Marker | None
    ours: str = ""
    above: str = ""
    below: str = ""
    ticked: Counter[str] = field(default_factory=Counter)


def read_body(text: str | None) -> Body:
    """Take an issue's text apart; `marker` is None where it is none of ours."""
    whole = (text or "").replace("\r\n", "\n")
    begin = _BEGIN.search(whole)
    marker = _marker(begin["data"]) if begin else None
    if begin is None or marker is None:
        return Body(None, above=whole)
    ours, found, below = whole[begin.end() :].partition(_END)
    ticked: Counter[str] = Counter()
    for line in ours.splitlines():
        if (box := _BOX.match(line)) and box["mark"] != " ":
            ticked[box["text"].strip()] += 1
    return Body(marker, ours, whole[: begin.start()], below if found else "", ticked)


def write_body(marker: Marker, ours: str, old: Body) -> str:
    """An issue's text, with what people wrote; ticks stay where the digests do."""
    same = old.marker is not None and _digests(old.marker) == _digests(marker)
    text = _ticked(ours, old.ticked) if same else ours
    # a comment in HTML would end at these signs
    data = json.dumps(marker.model_dump(mode="json"), sort_keys=True).replace(">", "\\u003e")
    parts = [old.above, f"<!-- lapstrake handoff {data} -->\n", text.strip(), f"\n\n{_END}"]
    return "".join(parts) + old.below


def verdicts_part(lines: str) -> str:
    """The part of the text that tells the verdicts, so that it can be replaced alone."""
    return f"<!-- lapstrake verdicts -->\n{lines}\n<!-- lapstrake verdicts end -->"


def with_verdicts(text: str, lines: str) -> str:
    """An issue's text with other verdicts; as it is where they have no place in it."""
    plain = text.replace("\r\n", "\n")
    return _VERDICTS.sub(lambda m: f"{m[1]}{lines}\n{m[2]}", plain, count=1)


def bug_mark(verdict: Verdict) -> str:
    """What a bug's text ends with: which image at which digest failed."""
    return f"<!-- lapstrake failed {verdict.image} {verdict.digest} -->"


def is_bug_of(text: str | None, verdict: Verdict) -> bool:
    """Whether a text is that of the bug about what a verdict is about."""
    found = _BUG.search(text or "")
    return found is not None and found[0] == bug_mark(verdict)


def verdict_mark(verdict: Verdict) -> str:
    """What the words about one verdict end with."""
    return f"<!-- lapstrake verdict {verdict.artifact} -->"


def _marker(data: str) -> Marker | None:
    try:
        return Marker.model_validate_json(data)
    except ValidationError:
        return None


def _digests(marker: Marker) -> dict[str, str]:
    return {name: image.digest for name, image in marker.images.items()}


def _ticked(text: str, ticked: Counter[str]) -> str:
    """The boxes that were ticked, ticked again: as many of the same words as there were."""
    left = Counter(ticked)
    lines = []
    for line in text.splitlines():
        box = _BOX.match(line)
        if box and left[box["text"].strip()]:
            left[box["text"].strip()] -= 1
            line = f"{box['begin']}[x] {box['text']}"  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines)
