"""`qa:` of lapstrake.yaml, and whose an image's bugs are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from lapstrake.definition.load import load
from lapstrake.errors import DefinitionError

Write = Callable[..., Path]

BASE = "root: {suite: bookworm}\nowners: ['@grace']\n"


def files(qa: str = "", **images: str) -> dict[str, str]:
    found = {"lapstrake.yaml": f"name: fam\n{qa}", "images/base/image.yaml": BASE}
    return found | {f"images/{n}/image.yaml": t for n, t in images.items()}


def problems(root: Path) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load(root)
    return [str(p) for p in caught.value.problems]


def test_owners_are_those_of_the_nearest(write: Write) -> None:
    more = {
        "one": "extends: base\n",
        "two": "extends: one\nowners: [ada, octo/serving]\n",
        "three": "extends: two\n",
    }
    repo = load(write(files(**more)))
    assert repo.owners("base") == repo.owners("one") == ("grace",)
    assert repo.owners("two") == repo.owners("three") == ("ada", "octo/serving")


@pytest.mark.parametrize("name", ["a b", "-a", "a/b/c", "a--b", "x" * 40, "@"])
def test_what_is_no_login(write: Write, name: str) -> None:
    root = write(files(one=f"extends: base\nowners: ['{name}']\n"))
    (problem,) = problems(root)
    assert "images/one/image.yaml:2" in problem
    assert "is no login on GitHub" in problem


def test_an_entry_of_the_allow_list(write: Write) -> None:
    qa = """\
qa:
  scan:
    severity: critical
    allow:
      - {id: CVE-2024-1, reason: known, until: 2026-12-31}
      - {id: CVE-2024-2, reason: known, until: "2026-12-31", package: p, images: [base]}
"""
    first, second = load(write(files(qa))).family.qa.scan.allow
    assert first.until == second.until == date(2026, 12, 31)
    assert (second.package, second.images) == ("p", ["base"])


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("{id: CVE-1, reason: known}", "until"),
        ("{id: CVE-1, until: 2026-12-31}", "reason"),
        ("{id: CVE-1, reason: '', until: 2026-12-31}", "reason"),
        ("{id: CVE-1, reason: known, until: soon}", "until"),
    ],
)
def test_an_entry_without_reason_or_end(write: Write, entry: str, line: str) -> None:
    root = write(files(f"qa:\n  scan:\n    allow:\n      - {entry}\n"))
    (problem,) = problems(root)
    assert problem.startswith("lapstrake.yaml:")
    assert line in problem


@pytest.mark.parametrize(
    "qa",
    [
        "qa: {per: runtime}",
        "qa: {verdicts: 0}",
        "qa: {people: [NONE]}",
        "qa: {scan: {severity: terrible}}",
        "qa: {signatures: {}}",
        "qa: {domain: 'http://x'}",
    ],
)
def test_bad_settings_are_problems(write: Write, qa: str) -> None:
    assert problems(write(files(qa + "\n")))
