"""`verify.md` and `demo/` of an image's folder: what a tester does, and with what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lapstrake.definition.repository import ImageDef, Repository
from lapstrake.errors import UserError
from lapstrake_release.handoff.facts import Documents, Source

PAGE, DEMO = "verify.md", "demo"

_LONGEST = 20_000
_FENCE = re.compile(
    r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"(?P<begin>!?\[[^\]]*\]\()(?P<target>[^)\s]+)(?P<end>(?:\s+\"[^\"]*\")?\))")
_HEADING = re.compile(r"^(#{1,6})(?=\s)", re.MULTILINE)
_DEEPEST = 6


def read_documents(definition: Repository, name: str) -> Documents:
    """The documents of an image.

    Raises:
        UserError: it has no page, or one that says nothing; a runtime has no demo; a link of the
            page leads nowhere.
    """
    image = definition.image(name)
    page = image.folder / PAGE
    shown = definition.relative(page)
    text = _read(page, shown, name)
    for target in _local_links(text):
        path = (image.folder / target).resolve()
        if not path.exists() or not path.is_relative_to(definition.root.resolve()):
            raise UserError(f"{shown} links to {target}, which is not there", "mend the link")
    demo = tuple(definition.relative(p) for p in _files(image.folder / DEMO))
    if image.kind == "runtime" and not demo:
        folder = definition.relative(image.folder / DEMO)
        raise UserError(
            f"{name} has no demo to be handed to testers: {folder}/ has no file",
            "put there what a tester sends it: a request, a script, a model",
        )
    return Documents(shown, text, demo)


def pages_of_parts(definition: Repository, image: ImageDef) -> dict[str, str]:
    """The pages of the runtimes that an image unites, where they have one; by name."""
    pages = {n: definition.image(n).folder / PAGE for n in definition.united(image.name)}
    return {n: definition.relative(p) for n, p in pages.items() if p.is_file()}


def embedded(documents: Documents, source: Source, depth: int) -> str:
    """A page's text as part of another one: headings `depth` deeper, links that lead from there."""
    folder = Path(documents.page).parent
    return "".join(
        part if is_code else _prose(part, folder, source, depth)
        for part, is_code in _split(documents.text)
    ).strip()


def _prose(text: str, folder: Path, source: Source, depth: int) -> str:
    def deeper(found: re.Match[str]) -> str:
        return "#" * min(len(found[1]) + depth, _DEEPEST)

    def from_there(found: re.Match[str]) -> str:
        target = found["target"]
        if not _is_local(target):
            return found[0]
        path = _joined(folder, target.partition("#")[0])
        anchor = target[target.index("#") :] if "#" in target else ""
        return f"{found['begin']}{source.link(path)}{anchor}{found['end']}"

    return _LINK.sub(from_there, _HEADING.sub(deeper, text))


def _joined(folder: Path, target: str) -> str:
    """`target` as seen from a folder, without `..`."""
    parts: list[str] = []
    for part in (folder / target).parts:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return "/".join(parts)


def _split(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is a block of code."""
    at = 0
    for found in _FENCE.finditer(text):
        yield text[at : found.start()], False
        yield found[0], True
        at = found.end()
    yield text[at:], False


def _local_links(text: str) -> Iterator[str]:
    for part, is_code in _split(text):
        for found in () if is_code else _LINK.finditer(part):
            target = found["target"]
            if _is_local(target) and (path := target.partition("#")[0]):
                yield path


def _is_local(target: str) -> bool:
    return not re.match(r"[a-z][a-z0-9+.-]*:|//|#", target, re.IGNORECASE)


def _read(page: Path, shown: str, name: str) -> str:
    hint = "write there how a tester sees that the image does what it is for"
    try:
        text = page.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{name} has no {shown}, so it can't be handed to testers", hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{shown} can't be read: {error}") from None
    if not re.sub(r"^#.*$", "", text, flags=re.MULTILINE).strip():
        raise UserError(f"{shown} says nothing", hint)
    if len(text) > _LONGEST:
        raise UserError(f"{shown} has more than {_LONGEST} characters", "shorten it")
    return text.replace("\r\n", "\n")


def _files(folder: Path) -> list[Path]:
    found = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return sorted(found) if folder.is_dir() else []
