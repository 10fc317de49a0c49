"""The line at the end of a draft's notes by which it is found again.

It says which release the draft is for, and the hash of the notes above it: where that is another,
a person has edited them, and they are theirs.
"""

from __future__ import annotations

import hashlib
import re

_MARKER = re.compile(
    r"\n*<!-- lapstrake release (?P<tag>\S+) notes sha256:(?P<hash>[0-9a-f]{64}) -->\s*"
)


def marked(notes: str, git_tag: str) -> str:
    """Notes with their marker."""
    text = _plain(notes)
    return f"{text}\n\n<!-- lapstrake release {git_tag} notes sha256:{_hash(text)} -->\n"


def is_ours(body: str | None, git_tag: str) -> bool:
    """Whether a draft with these notes was made here for a tag."""
    return any(found["tag"] == git_tag for found in _MARKER.finditer(body or ""))


def is_edited(body: str | None) -> bool:
    """Whether a person has changed notes of ours."""
    found = list(_MARKER.finditer(body or ""))
    if not found:
        return True
    above = _plain((body or "")[: found[-1].start()])
    return bool((body or "")[found[-1].end() :].strip()) or _hash(above) != found[-1]["hash"]


def _plain(text: str) -> str:
    """As GitHub's editor may have stored it or not: line ends, and space at the end."""
    return text.replace("\r\n", "\n").rstrip()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
