"""Issues on GitHub that testers work from: made once, found again, kept up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from github.Issue import Issue
from github.NamedUser import NamedUser

from lapstrake.errors import UserError
from lapstrake_release.github.client import GithubClient
from lapstrake_release.handoff.body import MOST, body, title
from lapstrake_release.handoff.facts import Handed, Handoff
from lapstrake_release.handoff.marker import (
    Body,
    HandedImage,
    Marker,
    read_body,
    with_verdicts,
    write_body,
)

# The label by which issues of ours are listed; people may add others.
LABEL = "qa-handoff"

# What a token needs for all that is done here
PERMISSION = "issues: write"

State = Literal["opened", "updated", "unchanged"]


@dataclass(frozen=True)
class HandedIssue:
    """An issue as GitHub has it, and what it is about."""

    issue: Issue
    body: Body
    marker: Marker

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each image that it is about."""
        return {name: image.digest for name, image in self.marker.images.items()}


@dataclass(frozen=True)
class Result:
    """What became of one issue; `about` is an image's name, or empty for the family."""

    about: str
    state: State
    number: int
    url: str


def find_issues(client: GithubClient, family: str, version: str | None) -> list[HandedIssue]:
    """The issues about a version, or all that are open where it is None; the oldest first.

    Only those that somebody who may close issues here, or an app, has opened: everybody can
    open one with our marker in a repository that is public.
    """
    state = "open" if version is None else "all"
    listing = client.pages(
        "list the issues", lambda: client.repository.get_issues(state=state, labels=[LABEL])
    )
    found = []
    for issue in listing:
        text = read_body(issue.body)
        if text.marker and text.marker.is_for(family, version) and is_trusted(issue):
            found.append(HandedIssue(issue, text, text.marker))
    return sorted(found, key=lambda i: i.issue.number)


def is_trusted(issue: Issue) -> bool:
    """Whether an issue was opened by an app, or by somebody who belongs to the repository."""
    # who has left GitHub is nobody
    user: NamedUser | None = issue.user
    is_app = user is not None and user.type == "Bot"
    return is_app or issue.author_association in {"OWNER", "MEMBER", "COLLABORATOR"}


def hand_over(
    client: GithubClient,
    handoff: Handoff,
    *,
    whole: bool,
    labels: Sequence[str],
    now: datetime,
) -> list[Result]:
    """Have an issue for the family (`whole`), or for each image.

    One that is there is brought up to date: its text is rewritten where it is ours, and stays
    where people wrote. Where an image has another digest by now, it is reopened and says so.

    Raises:
        UserError: GitHub refuses, or can't be reached.
    """
    _check(client)
    groups = [("", handoff.images)] if whole else [(i.name, (i,)) for i in handoff.images]
    return [_ensure(client, handoff, about, images, labels, now) for about, images in groups]


def rewrite_verdicts(client: GithubClient, found: HandedIssue, lines: str) -> bool:
    """Have other verdicts in an issue's text; whether that changed it."""
    number = found.issue.number

    def step() -> bool:
        issue = client.repository.get_issue(number)
        text = with_verdicts(issue.body or "", lines)
        if text == (issue.body or "").replace("\r\n", "\n"):
            return False
        issue.edit(body=text)
        return True

    return client.patiently("change the issue", step)


def _check(client: GithubClient) -> None:
    repository = client.repository
    if repository.archived:
        raise UserError(f"{repository.full_name} is archived: nothing can be added to it")
    if not repository.has_issues:
        raise UserError(
            f"{repository.full_name} has no issues", "switch them on in the repository's settings"
        )


def _ensure(
    client: GithubClient,
    handoff: Handoff,
    about: str,
    images: Sequence[Handed],
    labels: Sequence[str],
    now: datetime,
) -> Result:
    made: list[str] = []

    def marker(old: Marker | None) -> Marker:
        return Marker(
            family=handoff.family,
            version=handoff.version,
            about=about,
            images={i.name: _since(i, old, now) for i in images},
        )

    def step() -> Issue:
        # also after an answer that was lost: the issue may be there
        found = [
            i
            for i in find_issues(client, handoff.family, handoff.version)
            if i.marker.about == about
        ]
        if found:
            _close_twins(found[1:], found[0].issue.number)
            return found[0].issue
        made.append(about)
        text = _text(handoff, images, marker(None), Body(None))
        wanted = list(dict.fromkeys([LABEL, *labels]))
        return client.repository.create_issue(title(handoff, about), body=text, labels=wanted)

    issue = client.patiently("open the issue", step)
    if made:
        _check_label(issue)
        return Result(about, "opened", issue.number, issue.html_url)
    old = read_body(issue.body)
    new = marker(old.marker)
    state = _update(client, issue, old, _text(handoff, images, new, old), new)
    return Result(about, state, issue.number, issue.html_url)


def _text(handoff: Handoff, images: Sequence[Handed], new: Marker, old: Body) -> str:
    """What the issue says, with people's words: these stay, and make ours the shorter."""
    taken = len(write_body(new, "", old))
    return write_body(new, body(handoff, images, MOST - taken), old)


def _update(client: GithubClient, issue: Issue, old: Body, text: str, new: Marker) -> State:
    """Bring an issue that was there to what it should say."""
    moved = _moved(old.marker, new)
    if text == (issue.body or "").replace("\r\n", "\n"):
        return "unchanged"

    def step() -> None:
        if moved and issue.state == "closed":
            issue.edit(body=text, state="open")
        else:
            issue.edit(body=text)

    client.patiently("change the issue", step)
    if moved:
        _say(client, issue, "\n".join(moved))
    return "updated"


def _say(client: GithubClient, issue: Issue, words: str) -> None:
    """Comment, once: also where the answer to it was lost."""

    def step() -> None:
        if not any(c.body.strip() == words for c in issue.get_comments()):
            issue.create_comment(words)

    client.patiently("comment on the issue", step)


def _since(image: Handed, old: Marker | None, now: datetime) -> HandedImage:
    before = old.images.get(image.name) if old else None
    if before is not None and before.digest == image.digest:
        return before
    return HandedImage(digest=image.digest, at=now)


def _moved(old: Marker | None, new: Marker) -> list[str]:
    """A line for each image that has another digest than before."""
    before = old.images if old else {}
    return [
        f"`{name}` is another image now: `{image.digest}`. Before, it was "
        f"`{before[name].digest}`; what was said of that one doesn't count for it."
        for name, image in sorted(new.images.items())
        if name in before and before[name].digest != image.digest
    ]


def _close_twins(twins: Sequence[HandedIssue], first: int) -> None:
    """Close issues of ours that a lost answer, or two handoffs at once, have made twice."""
    for twin in twins:
        if twin.issue.state == "open":
            twin.issue.edit(state="closed", state_reason="not_planned")
            twin.issue.create_comment(f"The same as #{first}.")


def _check_label(issue: Issue) -> None:
    if LABEL not in {label.name for label in issue.labels}:
        raise UserError(
            f"GitHub has left out the label {LABEL} of issue #{issue.number}, "
            "so it would not be found again",
            f"add it there; the token needs the permission `{PERMISSION}` ({issue.html_url})",
        )
