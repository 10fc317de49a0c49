"""Verdicts out of the comments of handoff issues."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from github.IssueComment import IssueComment
from github.NamedUser import NamedUser
from github.Organization import Organization

from lapstrake.errors import UserError
from lapstrake_release.github.client import GithubClient
from lapstrake_release.handoff.comments import Command, commands_in, has_command
from lapstrake_release.handoff.issues import HandedIssue
from lapstrake_release.verdicts.model import Verdict


@dataclass(frozen=True)
class Ignored:
    """A comment that means to be a verdict and is none; `url` is its address."""

    url: str
    by: str
    why: str


@dataclass(frozen=True)
class Read:
    """What comments say: the verdicts in their order, and what doesn't count."""

    verdicts: tuple[Verdict, ...]
    ignored: tuple[Ignored, ...]


@dataclass(frozen=True)
class _Comment:
    url: str
    by: str
    association: str
    is_app: bool
    text: str
    created: datetime
    updated: datetime

    @classmethod
    def of(cls, comment: IssueComment) -> _Comment:
        # who has left GitHub is nobody
        user: NamedUser | Organization | None = comment.user
        return cls(
            url=comment.html_url,
            by=user.login if user else "ghost",
            association=comment.author_association or "NONE",
            is_app=user is None or user.type == "Bot",
            text=comment.body or "",
            created=comment.created_at.astimezone(UTC),
            updated=comment.updated_at.astimezone(UTC),
        )


def read_comments(client: GithubClient, found: HandedIssue, people: Collection[str]) -> Read:
    """The verdicts in an issue's comments.

    A comment counts where its author is one of `people` (what GitHub says they are to the
    repository), nobody has edited it since (others than its author can), and the issue was about
    these digests when it was written.

    Raises:
        UserError: GitHub refuses, or can't be reached.
    """
    raw = client.pages("read the comments", found.issue.get_comments)
    verdicts: list[Verdict] = []
    ignored: list[Ignored] = []
    for number, comment in enumerate(map(_Comment.of, raw)):
        if not has_command(comment.text):
            continue
        try:
            _check(comment, people)
            # GitHub counts in seconds: who writes two within one means the later
            at = comment.created + timedelta(microseconds=number)
            verdicts += _verdicts(comment, found, at)
        except UserError as error:
            ignored.append(Ignored(comment.url, comment.by, error.message))
    return Read(tuple(verdicts), tuple(ignored))


def _check(comment: _Comment, people: Collection[str]) -> None:
    if comment.is_app:
        raise UserError("it is an app's")
    if comment.association not in people:
        raise UserError(
            f"GitHub calls its author {comment.association}: no verdict of theirs counts"
        )
    if comment.updated != comment.created:
        raise UserError("it was edited, which others than its author can: write a new one")


def _verdicts(comment: _Comment, found: HandedIssue, at: datetime) -> list[Verdict]:
    """One for each image that a comment names; of two on the same, the later."""
    commands = commands_in(comment.text, found.marker.images)
    last = {image: command for command in commands for image in command.images}
    return list(_of_each(comment, found, at, last))


def _of_each(
    comment: _Comment, found: HandedIssue, at: datetime, last: dict[str, Command]
) -> Iterator[Verdict]:
    marker = found.marker
    for image, command in sorted(last.items()):
        handed = marker.images[image]
        if comment.created < handed.at.replace(microsecond=0):
            raise UserError(f"it was written before {image} was {handed.digest}: test that one")
        yield Verdict(
            outcome=command.outcome,
            family=marker.family,
            version=marker.version,
            image=image,
            digest=handed.digest,
            by=comment.by,
            note=command.note,
            at=at,
            source=comment.url,
        )
