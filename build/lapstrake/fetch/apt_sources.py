"""Reading apt's sources: one-line (`*.list`) and deb822 (`*.sources`) files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lapstrake.errors import UserError

_SCHEMES = ("http://", "https://", "file:")
_LINE = re.compile(
    r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>.*)"
)


@dataclass(frozen=True)
class AptSource:
    """One suite at one URI of one entry."""

    base: str
    suite: str
    components: tuple[str, ...]
    signed_by: str
    trusted: bool


def read_apt_sources(etc: Path) -> tuple[AptSource, ...]:
    """Every enabled binary source below apt's folder, in the order in which apt reads them.

    Raises:
        UserError: a file can't be read.
    """
    parts = etc / "sources.list.d"
    files = [etc / "sources.list"]
    if parts.is_dir():
        files += sorted(p for p in parts.iterdir() if p.suffix in {".list", ".sources"})
    found: list[AptSource] = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UserError(f"{path} can't be read: {error.strerror}") from error
        found += _deb822(text) if path.suffix == ".sources" else _one_line(text)
    return tuple(s for s in found if s.base.startswith(_SCHEMES))


def _one_line(text: str) -> Iterator[AptSource]:
    for line in text.splitlines():
        match = _LINE.match(line.split("#")[0].strip())
        if match is None:
            continue
        options = dict(o.split("=", 1) for o in (match["options"] or "").split() if "=" in o)
        yield AptSource(
            base=_base(match["uri"]),
            suite=match["suite"],
            components=tuple(match["rest"].split()),
            signed_by=options.get("signed-by", ""),
            trusted=options.get("trusted", "") == "yes",
        )


def _deb822(text: str) -> Iterator[AptSource]:
    for stanza in stanzas(text):
        if "deb" not in stanza.get("types", "").split():
            continue
        if stanza.get("enabled", "yes").strip().lower() in {"no", "false", "0"}:
            continue
        for uri in stanza.get("uris", "").split():
            for suite in stanza.get("suites", "").split():
                yield AptSource(
                    base=_base(uri),
                    suite=suite,
                    components=tuple(stanza.get("components", "").split()),
                    signed_by=stanza.get("signed-by", ""),
                    trusted=stanza.get("trusted", "").strip().lower() == "yes",
                )


def _base(uri: str) -> str:
    """The URI without a slash at its end; `file:/path` as the URL that it stands for."""
    if uri.startswith("file:/") and not uri.startswith("file://"):
        uri = f"file://{uri.removeprefix('file:')}"
    return uri.rstrip("/")


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a deb822 text, keys in lower case; continued lines keep their form."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        found: dict[str, str] = {}
        key = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in {" ", "\t"} and key:
                found[key] += f"\n{line}"
            elif ":" in line:
                name, value = line.split(":", 1)
                key = name.strip().lower()
                found[key] = value.strip()
        if found:
            yield found
