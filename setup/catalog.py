"""docs/catalog.md: each image's size, layers, packages and last verdicts.

`note DIST` takes what DIST's build.json and smoke.json say into docs/catalog.json, which keeps
the last of each image: the large ones are not built every time. `write` makes the page of it.
`large` prints the names of those.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lapstrake.definition.load import load
from lapstrake.definition.repository import Repository
from lapstrake.dist import Build, BuiltImage, read_build
from lapstrake.errors import UserError
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME, Lock
from lapstrake.report import console
from lapstrake.smoke.report import ImageSmoke, read_report
from lapstrake.store.store import write_staged

TOP = Path(__file__).resolve().parents[1]
FACTS, PAGE = TOP / "docs/catalog.json", TOP / "docs/catalog.md"

HEAD = """# The catalog

Written by `make catalog` from what was built and what the smoke tests saw. Sizes are those of the
layers as they are stored and pulled; the layers of one image are those of others as well, so all
together are less than the sum.
"""
WAYS = {
    "family": "in the family's one lock",
    "apart": "locked apart",
    "optional": "locked apart, and built only where it is named",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Blob(_Part):
    """A layer as it is stored; `size` in bytes."""

    digest: str
    size: int


class Fact(_Part):
    """What is known of one image.

    Attributes:
        tag: the descriptive one; empty where it has none.
        size: bytes of all its layers and its config.
        asked: what the definition asks for, `name version`.
        wheels: how many Python packages it has; `debs` how many of Debian.
        way: where its versions come from: a key of `WAYS`.
        passed: names of checks, as `skipped` (with the reason) and `failed`.
        noted: what checks that passed let pass, and why.
    """

    name: str
    description: str
    digest: str
    tag: str
    size: int
    layers: tuple[Blob, ...]
    asked: tuple[str, ...]
    wheels: int
    debs: int
    way: str
    passed: tuple[str, ...] = ()
    skipped: dict[str, str] = {}
    failed: tuple[str, ...] = ()
    noted: dict[str, str] = {}

    @property
    def verdict(self) -> str:
        """The checks, counted; a failure is named."""
        if not self.passed and not self.failed:
            return "not tested"
        counts = f"{len(self.passed)} passed"
        if self.skipped:
            counts += f", {len(self.skipped)} skipped"
        return f"{counts}, **failed: {', '.join(self.failed)}**" if self.failed else counts


class Facts(_Part):
    """docs/catalog.json."""

    images: tuple[Fact, ...] = ()


def note(dist: Path) -> None:
    """Take in what `dist` says; what it doesn't hold stays as it was, while it is defined."""
    repo, build = load(TOP), read_build(dist)
    lock = read_lock(TOP / LOCK_NAME)
    report = read_report(dist)
    tested = {i.digest: i for i in report.images} if report else {}
    found = {f.name: f for f in _facts().images if f.name in repo.images}
    for image in build.images:
        found[image.name] = _fact(repo, lock, build, image, tested.get(image.digest))
    facts = Facts(images=tuple(found[n] for n in sorted(found)))
    write_staged(FACTS, facts.model_dump_json(indent=1).encode() + b"\n")


def _facts() -> Facts:
    return Facts.model_validate_json(FACTS.read_bytes()) if FACTS.exists() else Facts()


def _fact(
    repo: Repository, lock: Lock, build: Build, image: BuiltImage, smoke: ImageSmoke | None
) -> Fact:
    versions = _versions(repo, lock, build, image.name)
    asked = [n for n in image.requirements if n in versions and n != "pip"]
    checks = smoke.checks if smoke else ()
    return Fact(
        name=image.name,
        description=image.description,
        digest=image.digest,
        tag=image.tags[1] if len(image.tags) > 1 else "",
        size=image.size,
        layers=tuple(Blob(digest=x.digest, size=x.size) for x in image.layers),
        asked=tuple(f"{n} {versions[n]}" for n in asked),
        wheels=len(versions),
        debs=len(_debs(repo, lock, image.name)),
        way=_way(repo, image.name),
        passed=tuple(c.name for c in checks if c.verdict == "passed"),
        skipped={c.name: c.why for c in checks if c.verdict == "skipped"},
        failed=tuple(c.name for c in checks if c.verdict == "failed"),
        noted={c.name: c.why for c in checks if c.verdict == "passed" and c.why},
    )


def _versions(repo: Repository, lock: Lock, build: Build, name: str) -> dict[str, str]:
    """The image's Python packages; the repository's own have the version that was built."""
    found = lock.resolutions.get(repo.resolution(name))
    if found is None:
        return {}
    locked = {w.name: w.version for w in found.wheels}
    return {n: locked.get(n, build.version) for n in found.closures.get(name, ())}


def _debs(repo: Repository, lock: Lock, name: str) -> set[tuple[str, str]]:
    """The image's Debian packages, by name and architecture."""
    parts = [*(i.name for i in repo.ancestry(name)), *repo.united(name)]
    lists = (debs for p in parts for debs in (lock.roots.get(p, ()), lock.apt.get(p, ())))
    return {(deb.name, deb.arch) for debs in lists for deb in debs}


def _way(repo: Repository, name: str) -> str:
    specs = [i.spec for i in repo.ancestry(name)]
    if any(s.optional for s in specs):
        return "optional"
    return "apart" if any(s.apart for s in specs) else "family"


# --- the page ------------------------------------------------------------------------------------


def page(facts: Iterable[Fact]) -> str:
    """The whole page, in Markdown."""
    found = sorted(facts, key=lambda f: f.name)
    parts = [HEAD, _table(found), _total(found), _details(found)]
    return "\n".join(parts)


def _table(facts: list[Fact]) -> str:
    lines = [
        "| image | what it is | size | layers | packages: Python, Debian | checks |",
        "|---|---|---|---|---|---|",
    ]
    for fact in facts:
        cells = (
            f"[`{fact.name}`](#{_anchor(fact.name)})",
            fact.description,
            console.bytes_text(fact.size),
            str(len(fact.layers)),
            f"{fact.wheels}, {fact.debs}",
            fact.verdict,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _anchor(heading: str) -> str:
    """What GitHub makes of a heading's dots: nothing."""
    return heading.replace(".", "")


def _total(facts: list[Fact]) -> str:
    blobs = {b.digest: b.size for f in facts for b in f.layers}
    alone, together = sum(f.size for f in facts), sum(blobs.values())
    return (
        f"All {len(facts)} have {len(blobs)} distinct layers of {console.bytes_text(together)}: "
        f"{together / max(alone, 1):.2f} of the sum of their sizes "
        f"({console.bytes_text(alone)}).\n"
    )


def _details(facts: list[Fact]) -> str:
    return "\n".join(_detail(f) for f in facts)


def _detail(fact: Fact) -> str:
    lines = [f"## {fact.name}\n", f"{fact.description}; {WAYS[fact.way]}.\n"]
    if fact.tag:
        lines.append(f"- tag: `{fact.tag}`")
    lines.append(f"- digest: `{fact.digest}`")
    if fact.asked:
        lines.append(f"- asked for: {', '.join(fact.asked)}")
    lines.append(f"- checks: {fact.verdict}")
    lines += [f"  - `{n}` passed, {why}" for n, why in sorted(fact.noted.items())]
    lines += [f"  - skipped: `{n}`, {why}" for n, why in sorted(fact.skipped.items())]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """What the command line asks for; `UserError` where it can't be understood."""
    if arguments[:1] == ["note"] and len(arguments) == 2:
        note(Path(arguments[1]))
    elif arguments == ["write"]:
        write_staged(PAGE, page(_facts().images).encode())
    elif arguments == ["large"]:
        repo = load(TOP)
        console.say("\n".join(n for n in repo.images if n not in repo.default))
    else:
        raise UserError("usage: catalog.py note DIST, catalog.py write, catalog.py large")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        console.complain(error)
        sys.exit(1)
