"""What was merged since the release before: pull requests, by category."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from github.Commit import Commit
from github.PullRequest import PullRequest
from packaging.version import InvalidVersion, Version

from lapstrake_release.github.client import GithubClient, Missing

# A version without what tags have before it.
_PREFIX = re.compile(r"\d.*")


@dataclass(frozen=True)
class Change:
    """One merged pull request."""

    number: int
    title: str
    author: str
    url: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changes:
    """What is new in a release.

    Attributes:
        previous: the tag of the release before; empty where there is none.
        url: the page that compares the two; empty where there is none.
        categories: headings that have changes, in the order of the notes; by number within each.
    """

    previous: str = ""
    url: str = ""
    categories: tuple[tuple[str, tuple[Change, ...]], ...] = ()

    @property
    def count(self) -> int:
        """How many pull requests it lists."""
        return sum(len(changes) for _, changes in self.categories)


def find_changes(client: GithubClient, git_tag: str, commit: str) -> Changes:
    """The pull requests that are in `commit` and not in the release before `git_tag`.

    Args:
        client: of the repository.
        git_tag: the tag that the release is to have.
        commit: the full hash of what it was built from; GitHub has it.

    Raises:
        UserError: GitHub can't be asked.
    """
    names = [t.name for t in client.pages("list the tags", client.repository.get_tags)]
    previous = previous_tag(git_tag, names)
    commits = _commits_since(client, previous, commit)
    if commits is None:
        previous, commits = "", _commits_of(client, commit)
    url = f"{client.repository.html_url}/compare/{previous}...{git_tag}" if previous else ""
    return Changes(previous, url, _by_category(client, _merged(client, commits)))


def previous_tag(git_tag: str, names: Iterable[str]) -> str:
    """The tag of the release before: after a final one the last final one, empty where none is.

    A candidate comes after the candidate or final release before it, and a development release
    after any.
    """
    ours = _version(git_tag, git_tag)
    if ours is None:
        return ""
    known = ((_version(name, git_tag), name) for name in names)
    found = [
        (v, name) for v, name in known if v is not None and v < ours and _rank(v) >= _rank(ours)
    ]
    return max(found)[1] if found else ""


def _rank(version: Version) -> int:
    """0: a development release, 1: a candidate, 2: a final one."""
    return 0 if version.is_devrelease else 1 if version.is_prerelease else 2


def _version(name: str, like: str) -> Version | None:
    """The version in a tag's name, where it is written as `like` is: `v1.2.0`."""
    prefix = _PREFIX.sub("", like)
    number = name.removeprefix(prefix)
    if not name.startswith(prefix) or not number[:1].isdigit():
        return None
    try:
        return Version(number)
    except InvalidVersion:
        return None


def _commits_since(
    client: GithubClient, previous: str, commit: str
) -> Mapping[str, datetime] | None:
    """Hashes and dates of the commits since a tag; None where it has nothing to do with them."""
    if not previous:
        return None
    compare = client.repository.compare
    try:
        return _dated(client.pages("compare", lambda: compare(previous, commit).commits))
    except Missing:
        return None


def _commits_of(client: GithubClient, commit: str) -> Mapping[str, datetime]:
    repository = client.repository
    return _dated(client.pages("list the commits", lambda: repository.get_commits(sha=commit)))


def _dated(commits: Iterable[Commit]) -> Mapping[str, datetime]:
    return {c.sha: _aware(c.commit.committer.date) for c in commits}


def _merged(client: GithubClient, commits: Mapping[str, datetime]) -> list[PullRequest]:
    """The pull requests whose merge is one of the commits."""
    if not commits:
        return []
    # what was merged since was updated since
    oldest = min(commits.values())
    found = []
    for pull in client.pages(
        "list the pull requests",
        lambda: client.repository.get_pulls(state="closed", sort="updated", direction="desc"),
    ):
        if pull.updated_at is not None and _aware(pull.updated_at) < oldest:
            break
        if pull.merged_at is not None and pull.merge_commit_sha in commits:
            found.append(pull)
    return found


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _by_category(
    client: GithubClient, pulls: Iterable[PullRequest]
) -> tuple[tuple[str, tuple[Change, ...]], ...]:
    categories = client.settings.categories
    found: dict[str, dict[int, Change]] = {title: {} for title in categories.titles}
    for pull in pulls:
        labels = tuple(sorted(label.name for label in pull.labels))
        # GitHub's stand-in for whoever has left
        author = pull.user.login if pull.user else "ghost"
        title = categories.place(labels, author, pull.title)
        if title is not None:
            change = Change(pull.number, pull.title, author, pull.html_url, labels)
            found.setdefault(title, {})[pull.number] = change
    return tuple(
        (title, tuple(changes[n] for n in sorted(changes)))
        for title, changes in found.items()
        if changes
    )
