"""Versions: spellings, order, what comes next and what is refused."""

from __future__ import annotations

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version as Pep440

from lapstrake.errors import UserError
from lapstrake.version import Version
from lapstrake_release.history import History, check_new, next_version

NUMBERS = st.integers(0, 30)
TRIPLES = st.tuples(NUMBERS, NUMBERS, NUMBERS)
VERSIONS = st.one_of(
    st.builds(Version, TRIPLES),
    st.builds(Version, TRIPLES, st.sampled_from(["dev", "rc"]), NUMBERS),
)
# few numbers, so that versions meet
NEAR = st.integers(0, 2)
NEAR_VERSIONS = st.one_of(
    st.builds(Version, st.tuples(NEAR, NEAR, NEAR)),
    st.builds(Version, st.tuples(NEAR, NEAR, NEAR), st.sampled_from(["dev", "rc"]), NEAR),
)
STEPS = st.sampled_from(["dev", "rc", "final", "patch"])


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("1.2.0", "1.2.0"),
        ("v1.2.0", "1.2.0"),
        ("1.2.0rc1", "1.2.0.rc1"),
        ("1.2.0.rc1", "1.2.0.rc1"),
        ("1.2.0-rc.1", "1.2.0.rc1"),
        ("v1.2.0-rc.1", "1.2.0.rc1"),
        ("1.2.0-rc1", "1.2.0.rc1"),
        ("1.2.0RC1", "1.2.0.rc1"),
        ("1.2.0.dev3", "1.2.0.dev3"),
        ("1.2.0-dev.3", "1.2.0.dev3"),
        ("1.2.0dev3", "1.2.0.dev3"),
        ("10.20.30-rc.40", "10.20.30.rc40"),
    ],
)
def test_a_version_is_read_in_any_spelling(text: str, ours: str) -> None:
    assert Version.parse(text).ours == ours


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("1.2.0 rc1", "blank"),
        (" 1.2.0", "blank"),
        ("1.2.0\n", "blank"),
        ("1.2\u00a0.0", "blank"),
        ("one", "neither Python nor SemVer"),
        ("1.2.0;rm", "neither Python nor SemVer"),
        ("1.2.0-rc.1.2", "neither Python nor SemVer"),
        ("\u0661.\u0662.\u0660", "neither Python nor SemVer"),
        ("1.2", "2 numbers"),
        ("1.2.0.0", "4 numbers"),
        ("1!1.2.0", "epoch"),
        ("1.2.0+gpu", "\\+gpu"),
        ("1.2.0.post1", "next patch"),
        ("1.2.0-1", "next patch"),
        ("1.2.0a1", "dev or rc"),
        ("1.2.0-beta.2", "dev or rc"),
        ("1.2.0rc1.dev2", "dev or rc"),
        ("1" * 65, "more than 64"),
    ],
)
def test_what_is_no_version_of_ours_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        Version.parse(text)
    assert "\n" not in caught.value.message
    assert "1.2.0.rc1" in caught.value.hint


@given(VERSIONS)
def test_every_spelling_is_read_back(version: Version) -> None:
    for text in (version.ours, version.pep440, version.semver, version.git_tag):
        assert Version.parse(text) == version


@given(VERSIONS)
def test_spellings_are_those_of_their_ecosystems(version: Version) -> None:
    assert str(Pep440(version.ours)) == version.pep440
    assert str(semver.Version.parse(version.semver)) == version.semver
    assert Pep440(version.pep440).is_prerelease == version.is_prerelease
    assert bool(semver.Version.parse(version.semver).prerelease) == version.is_prerelease


@given(st.lists(st.one_of(VERSIONS, NEAR_VERSIONS), max_size=12))
def test_the_order_is_that_of_python_and_of_semver(versions: list[Version]) -> None:
    ordered = sorted(versions)
    assert ordered == sorted(versions, key=lambda v: Pep440(v.pep440))
    assert ordered == sorted(versions, key=lambda v: semver.Version.parse(v.semver))


@given(st.text(max_size=20))
def test_any_text_is_a_version_or_one_line(text: str) -> None:
    try:
        read = Version.parse(text)
    except UserError as error:
        assert len(error.message.splitlines()) == 1  # noqa: PT017
    else:
        assert Version.parse(read.ours) == read


def history(*tags: str, branches: tuple[str, ...] = (), on: str = "main") -> History:
    return History.of(tags, branches, on)


BRANCH = ("release/1.2.x",)


@pytest.mark.parametrize(
    ("tags", "step", "expected"),
    [
        ((), "dev", "0.1.0.dev1"),
        ((), "rc", "0.1.0.rc1"),
        ((), "final", "0.1.0"),
        (("v1.2.0",), "dev", "1.3.0.dev1"),
        (("v1.2.0",), "rc", "1.3.0.rc1"),
        (("v1.2.0",), "final", "1.3.0"),
        (("v1.2.0",), "patch", "1.2.1"),
        (("v1.2.0", "v1.2.1"), "patch", "1.2.2"),
        (("v1.2.0", "v1.3.0-dev.9", "v1.3.0.dev10"), "dev", "1.3.0.dev11"),
        (("v1.2.0", "v1.3.0-dev.2"), "rc", "1.3.0.rc1"),
        (("v1.2.0", "1.3.0rc1", "1.3.0rc2"), "rc", "1.3.0.rc3"),
        (("v1.2.0", "1.3.0rc1"), "final", "1.3.0"),
        (("v1.2.0", "1.2.1rc1"), "patch", "1.2.1"),
        (("v1.2.0", "1.2.1rc1"), "rc", "1.2.1.rc2"),
        (("nightly", "v1.2.0", "docs-3.0.0", "1.9"), "final", "1.3.0"),
    ],
)
def test_what_comes_next_on_main(tags: tuple[str, ...], step: str, expected: str) -> None:
    assert next_version(step, history(*tags)).ours == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tags", "step", "expected"),
    [
        (("v1.2.0", "v1.3.0"), "patch", "1.2.1"),
        (("v1.2.0", "v1.3.0"), "rc", "1.2.1.rc1"),
        (("v1.2.0", "v1.3.0"), "final", "1.2.1"),
        (("v1.2.0", "v1.2.1-rc.1", "v1.3.0"), "patch", "1.2.1"),
        (("v1.2.0", "v1.2.1", "v2.0.0-dev.4"), "patch", "1.2.2"),
        (("v1.1.0", "v1.2.0-rc.1", "v1.3.0-dev.1"), "rc", "1.2.0.rc2"),
        (("v1.1.0", "v1.2.0-rc.1", "v1.3.0-dev.1"), "final", "1.2.0"),
        (("v1.1.0",), "rc", "1.2.0.rc1"),
    ],
)
def test_what_comes_next_on_a_release_branch(
    tags: tuple[str, ...], step: str, expected: str
) -> None:
    seen = history(*tags, on="release/1.2.x")
    assert next_version(step, seen).ours == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tags", "step", "expected"),
    [
        (("v1.2.0",), "dev", "1.3.0.dev1"),
        (("v1.2.0", "v1.2.1-rc.1"), "rc", "1.3.0.rc1"),
        # its candidates go on there; development goes on here
        (("v1.1.0", "v1.2.0-rc.1"), "dev", "1.3.0.dev1"),
    ],
)
def test_main_goes_on_beside_a_release_branch(
    tags: tuple[str, ...], step: str, expected: str
) -> None:
    seen = history(*tags, branches=("refs/remotes/origin/release/1.2.x",))
    assert next_version(step, seen).ours == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ((), "1.0.0.rc1"),
        (("v0.9.0",), "1.0.0.rc1"),
        (("v0.9.0", "v0.10.0-dev.1"), "1.0.0.rc1"),
        (("v0.1.0-dev.1",), "1.0.0.rc1"),
        (("v0.9.0", "v1.0.0-rc.1"), "1.0.0.rc2"),
        (("v1.4.2", "v1.5.0-rc.1"), "2.0.0.rc1"),
    ],
)
def test_the_next_major_version_on_demand(tags: tuple[str, ...], expected: str) -> None:
    assert next_version("rc", history(*tags), major=True).ours == expected


@pytest.mark.parametrize(
    ("version", "seen", "why", "hint"),
    [
        ("1.2.0", history("v1.2.0"), "was released already: tag v1.2.0", "1.3.0 comes next"),
        ("1.2.0rc1", history("v1.2.0-rc.1"), "was released already: tag v1.2.0-rc.1", "1.2.0.rc2"),
        ("1.2.0.rc3", history("1.2.0rc1"), "skips 1.2.0.rc2", "1.2.0.rc2 comes next"),
        ("1.2.0.rc2", history(), "skips 1.2.0.rc1", "0.1.0.rc1 comes next"),
        ("1.2.0.dev0", history(), "what a checkout is called", "1.2.0.dev1 is the first"),
        ("1.2.0.rc1", history("1.2.0rc3"), "goes backwards: 1.2.0.rc3", "1.2.0.rc4 comes next"),
        ("1.2.0.dev4", history("1.2.0rc1"), "goes backwards: 1.2.0.rc1", "1.2.0.rc2 comes next"),
        ("1.2.0.rc2", history("1.2.0", "1.2.0rc1"), "goes backwards: 1.2.0 was", "1.3.0.rc1"),
        ("1.4.0", history("1.2.0"), "skips 1.3.0", "1.3.0 comes next"),
        ("1.4.0.dev1", history("1.2.0", "1.3.0rc1"), "skips 1.3.0", "1.3.0.rc2 comes next"),
        ("1.4.0", history("1.2.0", "1.3.0rc1"), "skips 1.3.0", "1.3.0 comes next"),
        ("3.0.0", history("1.2.0"), "skips 2.0.0", "1.3.0 comes next"),
        ("2.1.0", history("1.2.0"), "skips 2.0.0", "1.3.0 comes next"),
        ("1.2.2", history("1.2.0"), "skips 1.2.1", "1.3.0 comes next"),
        ("1.3.1", history("1.2.0"), "skips 1.3.0", "1.3.0 comes next"),
        ("1.1.0", history("1.2.0"), "goes backwards: 1.2.0", "1.3.0 comes next"),
        ("0.2.0", history("0.1.0.dev1"), "skips 0.1.0", "0.1.0 comes next"),
        ("1.2.1", history("1.2.0", "1.3.0.dev1"), "backwards", "git switch -c release/1.2.x 1.2.0"),
        ("1.2.1", history("1.2.0", branches=BRANCH), "belongs to", "git switch release/1.2.x"),
        ("1.3.0", history("1.2.0", on=BRANCH[0]), "not of this branch", "main"),
        ("1.3.0", history("1.1.0", "1.2.0rc1", branches=BRANCH), "skips 1.2.0, which isn't", ""),
        ("1.2.2", history("1.2.0", "1.3.0", on=BRANCH[0]), "skips 1.2.1", "1.2.1 comes next"),
    ],
)
def test_what_is_refused_and_why(version: str, seen: History, why: str, hint: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        check_new(Version.parse(version), seen)
    assert hint in caught.value.hint


def test_the_first_release_of_a_repository_may_have_any_numbers() -> None:
    check_new(Version.parse("3.7.2"), history("nightly"))


def test_nothing_to_patch_is_said() -> None:
    with pytest.raises(UserError, match="nothing is final yet"):
        next_version("patch", history("v1.0.0-rc.1"))
    with pytest.raises(UserError, match=r"nothing of release/1.2.x is final yet"):
        next_version("patch", history("v1.1.0", on="release/1.2.x"))


def test_a_patch_has_no_new_major_version() -> None:
    with pytest.raises(UserError, match="keeps its major version"):
        next_version("patch", history("v1.0.0"), major=True)
    with pytest.raises(UserError, match=r"release/1.0.x keeps its major version"):
        next_version("rc", history("v1.0.0", on="release/1.0.x"), major=True)


@given(st.lists(st.tuples(STEPS, st.booleans()), max_size=25))
def test_a_history_of_next_versions_only_goes_forward(steps: list[tuple[str, bool]]) -> None:
    """Whatever is asked for, in whatever order: what comes next is new and above all before it."""
    tags: list[str] = []
    for step, major in steps:
        seen = history(*tags)
        try:
            version = next_version(step, seen, major=major)  # type: ignore[arg-type]
        except UserError:
            continue
        assert all(version > before for before in seen.released)
        tags.append(version.git_tag)


@given(
    st.sets(NEAR_VERSIONS, max_size=8),
    st.sets(st.tuples(NEAR, NEAR), max_size=2),
    st.one_of(st.none(), st.tuples(NEAR, NEAR)),
    NEAR_VERSIONS,
)
def test_what_is_let_through_is_new_and_later_in_its_line(
    released: set[Version],
    branched: set[tuple[int, int]],
    line: tuple[int, int] | None,
    version: Version,
) -> None:
    """On any history, even one that no rule of ours made."""
    names = [f"release/{a}.{b}.x" for a, b in branched]
    on = f"release/{line[0]}.{line[1]}.x" if line else "main"
    seen = History.of((v.semver for v in released), names, on)
    try:
        check_new(version, seen)
    except UserError as error:
        assert str(version) in error.message  # noqa: PT017
        return
    assert version not in released
    assert all(version > v for v in released if v.line == version.line)
    assert line in (None, version.line)
    if line is None:
        assert all(version > v for v in released)


@given(st.sets(NEAR_VERSIONS, max_size=8), STEPS)
def test_a_hint_can_be_followed(released: set[Version], step: str) -> None:
    """A version that a refusal names as the next one is let through."""
    seen = History.of(v.semver for v in released)
    try:
        next_version(step, seen)  # type: ignore[arg-type]
    except UserError as error:
        named, _, rest = error.hint.partition(" ")
        if rest == "comes next":
            check_new(Version.parse(named), seen)
