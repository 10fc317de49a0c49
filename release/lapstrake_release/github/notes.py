"""The text of a release, as Markdown. Pure: facts and changes to text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lapstrake_release.evidence.sums import SUMS, published_name
from lapstrake_release.facts import FileFacts, ImageFacts, ReleaseFacts, SmokeFacts
from lapstrake_release.github.changes import Change, Changes

# GitHub takes 125,000 characters.
LIMIT = 120_000

# A piece of code within a line, which needs no escapes and shows them.
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_MARKUP = re.compile(r"[<>|\\]")


def release_notes(facts: ReleaseFacts, changes: Changes | None = None) -> str:
    """The notes of a release; without `changes`, those are left out.

    As many changes are listed as GitHub has room for.
    """
    most = changes.count if changes else 0
    while True:
        text = _text(facts, changes, most)
        if len(text) <= LIMIT or most == 0:
            return text
        most //= 2


def _text(facts: ReleaseFacts, changes: Changes | None, most: int) -> str:
    parts = [
        *(_changes(changes, most) if changes else []),
        *_images(facts.images, facts.smoke),
        *_files(facts),
        *_verify(facts),
        f"Built from {facts.commit} for {facts.platform}, by lapstrake {facts.lapstrake}.",
    ]
    return "\n\n".join(parts) + "\n"


def _changes(changes: Changes, most: int) -> list[str]:
    since = f" since {changes.previous}" if changes.previous else ""
    parts = ["## Changes"]
    if not changes.count:
        parts.append(f"No pull request was merged{since}.")
    left = most
    for title, found in changes.categories:
        if left and found:
            lines = [_line(change) for change in found[:left]]
            parts.append(f"### {escaped(title)}\n\n" + "\n".join(lines))
            left -= len(lines)
    if most < changes.count:
        parts.append(f"… and {changes.count - most} more.")
    if changes.url:
        parts.append(f"All changes{since}: {changes.url}")
    return parts


def _line(change: Change) -> str:
    return f"- {escaped(change.title)} ([#{change.number}]({change.url}), @{change.author})"


def _images(images: Sequence[ImageFacts], smoke: Iterable[SmokeFacts]) -> list[str]:
    if not images:
        return []
    checks = {s.image: s for s in smoke}
    rows = [
        (
            i.name,
            escaped(i.description),
            _code(i.tags),
            i.python or "",
            size(i.size),
            _verdict(checks.get(i.name)),
            f"`{i.digest}`",
        )
        for i in images
    ]
    head = ("Image", "", "Tags", "Python", "Size", "Checks", "Digest")
    parts = ["## Images", _table(head, rows)]
    if commands := [line for i in images for line in _pulls(i)]:
        parts.append("```sh\n" + "\n".join(commands) + "\n```")
    return parts


def _pulls(image: ImageFacts) -> list[str]:
    """A command for each registry: by tag, for a person, and by digest, for the machine."""
    found = []
    for pinned in image.pinned:
        place, _, digest = pinned.partition("@")
        tag = f":{image.tags[0]}" if image.tags else ""
        found.append(f"docker pull {place}{tag}@{digest}")
    return found


def _verdict(smoke: SmokeFacts | None) -> str:
    if smoke is None:
        return ""
    parts = [f"{smoke.passed} passed"]
    parts += [f"{n} {what}" for n, what in _others(smoke) if n]
    return ", ".join(parts)


def _others(smoke: SmokeFacts) -> Iterable[tuple[int, str]]:
    return (smoke.failed, "failed"), (smoke.skipped, "skipped")


def _files(facts: ReleaseFacts) -> list[str]:
    if not facts.files:
        return []
    rows = [(_file(f), size(f.size), f"`{f.sha256}`") for f in facts.files]
    parts = ["## Python packages", _table(("File", "Size", "SHA-256"), rows)]
    if wheels := [f"{w.project}=={w.version}" for w in facts.wheels]:
        parts.append(f"```sh\npip install {' '.join(sorted(set(wheels)))}\n```")
    return parts


def _file(file: FileFacts) -> str:
    name = published_name(file.path)
    return f"[`{name}`]({file.urls[0]})" if file.urls else f"`{name}`"


def _verify(facts: ReleaseFacts) -> list[str]:
    commands = [
        f"sha256sum --check --ignore-missing {SUMS}",
        f"lapstrake release verify {facts.version}",
    ]
    parts = [
        "## Verify",
        f"`{SUMS}` has the checksum of every file here; the second line pulls what is public and "
        "compares it with all that this release says.",
        "```sh\n" + "\n".join(commands) + "\n```",
    ]
    if facts.images:
        parts.append(
            "Each `.spdx.json` lists what an image contains, by name, version and hash; each "
            "`.intoto.json` says from which commit images and packages were built."
        )
    return parts


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without the columns that are empty throughout."""
    used = [at for at in range(len(head)) if any(row[at] for row in rows)]
    lines = [[head[at] for at in used], ["---"] * len(used)]
    lines += [[row[at] for at in used] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(words: Iterable[str]) -> str:
    return " ".join(f"`{word}`" for word in words)


def escaped(text: str) -> str:
    """One line of others' text, in which nothing is markup but emphasis, links and code."""
    line = " ".join(text.split())
    parts, at = [], 0
    for code in _CODE.finditer(line):
        # a bar would end a table's cell even here
        parts += [_escaped(line[at : code.start()]), code[0].replace("|", r"\|")]
        at = code.end()
    return "".join([*parts, _escaped(line[at:])])


def _escaped(text: str) -> str:
    return _MARKUP.sub(lambda found: f"\\{found[0]}", text)


def size(count: int) -> str:
    """Bytes for a person."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
