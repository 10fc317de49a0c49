"""Categories, notes, markers, the job's summary: what is text alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapstrake.errors import UserError
from lapstrake.store.store import Store
from lapstrake_release.facts import AssetFacts, DraftResult, ReleaseFacts, SmokeFacts
from lapstrake_release.github import Change, Changes, job_summary, release_notes, write_job_summary
from lapstrake_release.github.categories import Categories, implied_labels, read_categories
from lapstrake_release.github.changes import previous_tag
from lapstrake_release.github.marker import is_edited, is_ours, marked
from lapstrake_release.github.notes import LIMIT, escaped, size
from support.released import make_facts


@pytest.fixture
def facts(tmp_path: Path, store: Store) -> ReleaseFacts:
    return make_facts(tmp_path, store)


def place(categories: Categories, title: str, *labels: str, author: str = "ada") -> str | None:
    return categories.place(labels, author, title)


@pytest.mark.parametrize(
    ("title", "labels", "heading"),
    [
        ("A thing", ("bug",), "Fixed"),
        ("A thing", ("Enhancement",), "New"),
        ("fix: a thing", (), "Fixed"),
        ("feat(cli): a thing", (), "New"),
        ("feat(cli)!: a thing", (), "Breaking changes"),
        ("chore(deps): bump x", (), "Dependencies"),
        ("docs: fix: a thing", (), "Documentation"),
        ("fix: what a label names otherwise", ("documentation",), "Documentation"),
        ("fix: with a label that says nothing", ("good first issue",), "Fixed"),
        ("A thing: with a colon", (), "Other changes"),
        ("A thing", ("skip-changelog", "bug"), None),
    ],
)
def test_a_pull_request_goes_by_its_labels_then_by_its_title(
    title: str, labels: tuple[str, ...], heading: str | None
) -> None:
    assert place(Categories(), title, *labels) == heading


RELEASE_YML = """
changelog:
  exclude:
    labels: [internal]
    authors: [dependabot]
  categories:
    - title: Models
      labels: [model, enhancement]
      exclude:
        labels: [experimental]
        authors: [grace]
    - title: Everything
      labels: ["*"]
    - title: Repairs
      labels: [bug]
"""


def test_the_repository_s_own_release_yml_is_followed(tmp_path: Path) -> None:
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "release.yml").write_text(RELEASE_YML)
    found = read_categories(tmp_path)
    assert found.titles == ("Models", "Everything", "Repairs")
    assert place(found, "x", "model") == "Models"
    assert place(found, "feat: x") == "Models"
    assert place(found, "x", "model", "experimental") == "Everything"
    assert place(found, "x", "model", author="grace") == "Everything"
    assert place(found, "x", "bug") == "Repairs"
    assert place(found, "x", "internal") is None
    assert place(found, "x", author="dependabot[bot]") is None


def test_what_no_category_takes_comes_last(tmp_path: Path) -> None:
    (tmp_path / ".github").mkdir()
    text = "changelog:\n  exclude:\n  categories:\n    - {title: A, labels: [a]}\n"
    (tmp_path / ".github" / "release.yaml").write_text(text)
    found = read_categories(tmp_path)
    assert found.titles == ("A", "Other changes")
    assert place(found, "x") == "Other changes"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "changelog:\n  categories:\n   - {title: A}\n",
            "changelog.categories.0.labels: Field req",
        ),
        ("changelog:\n  categories: 3\n", "changelog.categories: Input should be"),
        ("changelog: [\n", r"release\.yml:2: "),
        ("- a\n", "the file: Input should be"),
        ("changelog:\n  categories:\n   - {title: '', labels: [a]}\n", "title: String should have"),
    ],
)
def test_a_release_yml_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "release.yml").write_text(text)
    with pytest.raises(UserError, match=said):
        read_categories(tmp_path)


def test_a_repository_without_one_has_defaults(tmp_path: Path) -> None:
    assert read_categories(tmp_path) == Categories()
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "release.yml").write_text("\n")
    assert read_categories(tmp_path) == Categories()


def test_a_breaking_change_is_told_by_its_mark_whatever_its_type() -> None:
    assert "breaking-change" in implied_labels("whatever!: gone")
    assert implied_labels("no type") == ()


@pytest.mark.parametrize(
    ("tag", "names", "previous"),
    [
        ("v1.2.0", ["v1.1.0", "v1.2.0rc1", "v1.2.0.dev4", "v1.3.0", "v1.0.9"], "v1.1.0"),
        ("v1.2.0.rc2", ["v1.1.0", "v1.2.0-rc.1", "v1.2.0.dev4"], "v1.2.0-rc.1"),
        ("v1.2.0.rc1", ["v1.1.0", "v1.1.0rc3", "v1.2.0.dev4"], "v1.1.0"),
        ("v1.2.0.dev4", ["v1.1.0", "v1.2.0.dev3"], "v1.2.0.dev3"),
        ("v1.2.1", ["v1.2.0", "v1.10.0", "nightly", "v-x"], "v1.2.0"),
        ("1.2.0", ["v1.1.0", "1.0.0", "2024"], "1.0.0"),
        ("v1.0.0", ["docs-1", "v1.0.0"], ""),
        ("nightly", ["v1.0.0"], ""),
    ],
)
def test_the_release_before(tag: str, names: list[str], previous: str) -> None:
    assert previous_tag(tag, names) == previous
    assert previous_tag(tag, names[::-1]) == previous


def changes(count: int = 2) -> Changes:
    found = tuple(
        Change(n, f"Change {n}", "ada", f"https://github.com/octo/fam/pull/{n}")
        for n in range(1, count + 1)
    )
    return Changes(
        "v1.1.0", "https://github.com/octo/fam/compare/v1.1.0...v1.2.0", (("New", found),)
    )


def test_notes_name_every_digest_hash_and_change(facts: ReleaseFacts) -> None:
    text = release_notes(facts, changes())
    for image in facts.images:
        assert f"`{image.digest}`" in text
        assert f"docker pull ghcr.io/octo/fam:{image.tags[0]}@{image.digest}" in text
    for file in facts.files:
        assert f"| `{file.name}` | {size(file.size)} | `{file.sha256}` |" in text
    assert "- Change 2 ([#2](https://github.com/octo/fam/pull/2), @ada)" in text
    assert "All changes since v1.1.0: https://github.com/octo/fam/compare/v1.1.0...v1.2.0" in text
    assert "lapstrake release verify 1.2.0" in text
    assert "12 passed, 1 skipped" in text
    assert facts.commit in text


def test_notes_without_images_smoke_or_files_have_no_such_parts(facts: ReleaseFacts) -> None:
    text = release_notes(replace(facts, images=(), wheels=(), sdists=(), smoke=()), Changes())
    assert "## Images" not in text
    assert "## Python" not in text
    assert "No pull request was merged." in text
    assert "Checks" not in release_notes(replace(facts, smoke=()))


def test_a_check_that_failed_is_told(facts: ReleaseFacts) -> None:
    smoke = (SmokeFacts("full", facts.images[0].digest, 3, 2, 0),)
    assert "3 passed, 2 failed" in release_notes(replace(facts, smoke=smoke))


def test_as_many_changes_are_listed_as_there_is_room_for(facts: ReleaseFacts) -> None:
    text = release_notes(facts, changes(5000))
    assert LIMIT / 3 < len(text) <= LIMIT
    assert "- Change 1 (" in text
    assert "more.\n" in text
    assert facts.images[0].digest in text


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("plain", "plain"),
        ("a <b> | c", r"a \<b\> \| c"),
        ("use `<b>` here <b>", r"use `<b>` here \<b\>"),
        ("two\nlines\tand  spaces", "two lines and spaces"),
        ("``a`b`` <", r"``a`b`` \<"),
        ("`open < code", r"`open \< code"),
        ("`a|b`", r"`a\|b`"),
    ],
)
def test_titles_are_text(title: str, shown: str) -> None:
    assert escaped(title) == shown


@given(st.text())
def test_no_title_ends_a_line_or_opens_a_comment(title: str) -> None:
    shown = escaped(title)
    assert len(shown.splitlines()) <= 1
    if "`" not in title:
        assert "<!--" not in shown.replace("\\<", "")


@given(st.text(), st.sampled_from(["v1.2.0", "v1.2.0.rc1"]))
def test_a_marker_is_found_again_also_after_github_s_editor(notes: str, tag: str) -> None:
    body = marked(notes, tag)
    for stored in (body, body.rstrip(), body.replace("\r\n", "\n").replace("\n", "\r\n")):
        assert is_ours(stored, tag)
        assert not is_ours(stored, "v9")
        assert not is_edited(stored)
    assert is_edited(body.replace("<!--", "and a word\n<!--"))
    assert is_edited(f"{body}\nand a word")


def test_what_has_no_marker_is_a_person_s() -> None:
    assert not is_ours(None, "v1")
    assert not is_ours("## Changes", "v1")
    assert is_edited("## Changes")


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (564e6, "564 MB"), (2e12, "2000 GB")],
)
def test_sizes_are_for_a_person(count: float, shown: str) -> None:
    assert size(int(count)) == shown


def test_the_job_s_summary_is_added_to_its_file_without_secrets(
    facts: ReleaseFacts, tmp_path: Path
) -> None:
    target = tmp_path / "summary.md"
    target.write_text("before\n")
    env = {"GITHUB_STEP_SUMMARY": str(target), "GITHUB_TOKEN": "ghs_canary"}
    assets = (AssetFacts("a", "0" * 64, 1000, True), AssetFacts("b", "1" * 64, 500, False))
    draft = DraftResult("created", "https://github.com/octo/fam/releases/1", 1, assets)
    assert write_job_summary(job_summary(facts, draft) + "ghs_canary", env)
    text = target.read_text()
    assert text.startswith("before\n# fam 1.2.0\n")
    assert "has 2 files (1.5 kB), 1 of them new" in text
    assert "ghs_canary" not in text
    assert not write_job_summary("x", {})
    env["GITHUB_STEP_SUMMARY"] = str(tmp_path / "no" / "where")
    with pytest.raises(UserError, match="GITHUB_STEP_SUMMARY can't be written"):
        write_job_summary("x", env)


def test_a_summary_is_cut_before_github_drops_it(tmp_path: Path) -> None:
    env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    write_job_summary("é" * (1 << 20), env)
    assert (1 << 19) < (tmp_path / "summary.md").stat().st_size <= 1 << 20
    assert (tmp_path / "summary.md").read_text().endswith("é…\n")
