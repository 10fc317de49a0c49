"""What the tests' GitHub knows: a repository over real git, its releases, pull requests, issues."""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lapstrake import process

_FORMAT = "%H%x1f%T%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cn%x1f%ce%x1f%cI%x1f%B%x1e"


def now() -> str:
    """The time as GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class User:
    login: str
    id: int
    type: str = "User"


@dataclass
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str = ""


@dataclass
class Comment:
    id: int
    user: User
    body: str
    created: str = field(default_factory=now)
    updated: str = field(default_factory=now)


@dataclass
class Issue:
    """An issue, or the part of a pull request that is one."""

    id: int
    number: int
    title: str
    user: User
    body: str | None = None
    labels: list[Label] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    assignees: list[User] = field(default_factory=list)
    state: str = "open"
    reason: str | None = None
    created: str = field(default_factory=now)
    updated: str = field(default_factory=now)
    closed: str | None = None
    pull: Pull | None = None


@dataclass
class Pull:
    """What a pull request has beyond an issue."""

    base: str
    head: str
    merged: str | None = None
    commit: str | None = None


@dataclass
class Asset:
    """A file; `state` is `starter` where its upload was cut off."""

    id: int
    name: str
    data: bytes
    uploader: User
    label: str | None = None
    content_type: str = "application/octet-stream"
    state: str = "uploaded"
    created: str = field(default_factory=now)

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"


@dataclass
class Release:
    id: int
    tag: str
    target: str
    author: User
    name: str | None = None
    body: str | None = None
    draft: bool = False
    prerelease: bool = False
    assets: list[Asset] = field(default_factory=list)
    created: str = field(default_factory=now)
    published: str | None = None


@dataclass(frozen=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: tuple[str, str, str]
    committer: tuple[str, str, str]
    message: str


class Git:
    """A repository on disk, through git itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str) -> str:
        return process.run(["git", "-C", self.folder, *words]).stdout.strip()

    def commit(self, revision: str) -> str | None:
        """The full hash that a revision stands for; None where there is no such commit."""
        args = ["git", "-C", self.folder, "rev-parse", "--verify", "--quiet", "--end-of-options"]
        found = process.run([*args, f"{revision}^{{commit}}"], check=False)
        return found.stdout.strip() if found.code == 0 else None

    def log(self, *words: str) -> list[Commit]:
        found = []
        for record in self("log", f"--format={_FORMAT}", *words).split("\x1e"):
            if record.strip():
                sha, tree, parents, *who, message = record.strip("\n").split("\x1f")
                author, committer = (who[0], who[1], _utc(who[2])), (who[3], who[4], _utc(who[5]))
                found.append(
                    Commit(sha, tree, tuple(parents.split()), author, committer, message.strip())
                )
        return found

    def refs(self, prefix: str) -> dict[str, tuple[str, str]]:
        """Each reference below `refs/…`: the hash and the type of what it points to."""
        lines = self("for-each-ref", "--format=%(refname) %(objectname) %(objecttype)", prefix)
        found = (line.split() for line in lines.splitlines())
        return {name: (sha, kind) for name, sha, kind in found}


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Repository:
    """One repository; every change goes through `lock`."""

    def __init__(self, folder: Path, owner: str, name: str) -> None:
        self.git = Git(folder)
        self.owner = User(owner, 1, "Organization")
        self.name = name
        self.archived = False
        self.has_issues = True
        # what people are to the repository; nothing where they aren't named
        self.associations: dict[str, str] = {owner: "OWNER", "release-bot": "COLLABORATOR"}
        self.releases: list[Release] = []
        self.issues: list[Issue] = []
        self.labels: dict[str, Label] = {}
        self.users: dict[str, User] = {owner: self.owner}
        self.lock = threading.RLock()
        self._ids = itertools.count(100)
        self._numbers = itertools.count(1)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @property
    def default_branch(self) -> str:
        return self.git("symbolic-ref", "--short", "HEAD")

    def id(self) -> int:
        return next(self._ids)

    def user(self, login: str) -> User:
        kind = "Bot" if login.endswith("[bot]") else "User"
        return self.users.setdefault(login, User(login, self.id(), kind))

    def association(self, user: User) -> str:
        """What GitHub says that somebody is to the repository."""
        return self.associations.get(user.login, "NONE")

    def is_assignable(self, login: str) -> bool:
        """Whether issues can be given to somebody: who has access, has it for that too."""
        return self.associations.get(login) in {"OWNER", "MEMBER", "COLLABORATOR"}

    def label(self, name: str) -> Label:
        key = name.lower()
        if key not in self.labels:
            self.labels[key] = Label(self.id(), name)
        return self.labels[key]

    def issue(self, title: str, author: str, labels: tuple[str, ...] = ()) -> Issue:
        """A new issue."""
        issue = Issue(self.id(), next(self._numbers), title, self.user(author))
        issue.labels = [self.label(x) for x in labels]
        self.issues.append(issue)
        return issue

    def merged(self, title: str, commit: str, author: str = "ada", *labels: str) -> Issue:
        """A pull request that was merged as `commit`, when that was made."""
        issue = self.issue(title, author, labels)
        when = self.git.log("-1", commit)[0].committer[2]
        issue.pull = Pull(self.default_branch, f"topic-{issue.number}", when, commit)
        issue.state, issue.created = "closed", when
        issue.updated = issue.closed = when
        return issue

    def find_release(self, number: int) -> Release | None:
        return next((r for r in self.releases if r.id == number), None)

    def assets(self) -> Iterator[tuple[Release, Asset]]:
        for release in self.releases:
            for asset in release.assets:
                yield release, asset

    def publish(self, release: Release) -> None:
        """Make a release public: that makes its tag."""
        release.draft = False
        release.published = now()
        if self.git.commit(f"refs/tags/{release.tag}") is None:
            self.git("tag", release.tag, release.target)


def asset_name(name: str) -> str:
    """What GitHub makes of a file's name."""
    return re.sub(r"[^A-Za-z0-9._+@-]+", ".", name).strip(".")
