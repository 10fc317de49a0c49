"""A fail becomes a bug of the image's owners: one issue for each image and digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from github.Issue import Issue

from lapstrake_release.github.client import GithubClient
from lapstrake_release.github.notes import escaped
from lapstrake_release.handoff.issues import State, is_trusted
from lapstrake_release.handoff.marker import bug_mark, is_bug_of, verdict_mark
from lapstrake_release.verdicts.model import Verdict

LABELS = ("bug", "qa-failed")


@dataclass(frozen=True)
class Bug:
    """What became of the issue about a fail."""

    image: str
    state: State
    number: int
    url: str


def report_bug(
    client: GithubClient,
    verdict: Verdict,
    owners: Sequence[str],
    pinned: Sequence[str] = (),
    handed: str = "",
) -> Bug:
    """Have an issue about an image that failed, and this verdict in it.

    Another fail of the same digest is a comment there; one that is closed is reopened.

    Args:
        verdict: a fail, as it is stored.
        owners: who it is for: assigned where GitHub lets them, mentioned otherwise.
        pinned: what to pull to see it.
        handed: the address of the issue that the image was tested from; may be empty.

    Raises:
        UserError: GitHub refuses, or can't be reached.
    """
    people = [o for o in owners if "/" not in o]
    assignable = [o for o in people if _is_assignable(client, o)]
    others = [o for o in owners if o not in assignable]
    text = _text(verdict, others, pinned, handed)
    made: list[str] = []

    def step() -> Issue:
        found = _find(client, verdict)
        if found is not None:
            return found
        made.append(verdict.image)
        return client.repository.create_issue(
            f"{verdict.family} {verdict.version}: {verdict.image} fails its test",
            body=text,
            labels=list(LABELS),
            assignees=assignable,
        )

    issue = client.patiently("open the issue", step)
    state: State = "opened" if made else _add(client, issue, verdict)
    return Bug(verdict.image, state, issue.number, issue.html_url)


def _find(client: GithubClient, verdict: Verdict) -> Issue | None:
    listing = client.pages(
        "list the issues",
        lambda: client.repository.get_issues(state="all", labels=[LABELS[1]]),
    )
    found = [i for i in listing if is_bug_of(i.body, verdict) and is_trusted(i)]
    return min(found, key=lambda i: i.number, default=None)


def _add(client: GithubClient, issue: Issue, verdict: Verdict) -> State:
    """Have a verdict in an issue that was there."""
    mark = verdict_mark(verdict)

    def step() -> State:
        said = [issue.body or "", *(c.body for c in issue.get_comments())]
        state: State = "unchanged"
        if not any(mark in text for text in said):
            issue.create_comment(f"{_words(verdict)}\n\n{mark}")
            state = "updated"
            if issue.state == "closed":
                issue.edit(state="open")
        return state

    return client.patiently("comment on the issue", step)


def _is_assignable(client: GithubClient, login: str) -> bool:
    return client.patiently(
        "read who can be assigned", partial(client.repository.has_in_assignees, login)
    )


def _text(verdict: Verdict, others: Sequence[str], pinned: Sequence[str], handed: str) -> str:
    parts = [
        f"`{verdict.image}` of {verdict.family} {verdict.version} has failed its test.",
        _words(verdict),
        f"Digest: `{verdict.digest}`",
    ]
    if pinned:
        commands = "\n".join(f"docker pull {p}" for p in pinned)
        parts.append(f"```sh\n{commands}\n```")
    if handed:
        parts.append(f"It was tested from {handed}.")
    if others:
        parts.append(f"For {' '.join(f'@{o}' for o in others)}")
    parts.append("This digest isn't promoted until that verdict is overridden.")
    return "\n\n".join([*parts, f"{verdict_mark(verdict)}\n{bug_mark(verdict)}"])


def _words(verdict: Verdict) -> str:
    """Who said what, the note as a quote."""
    when = verdict.at.strftime("%Y-%m-%d %H:%M UTC")
    where = f" ({verdict.source})" if verdict.source else ""
    quoted = "\n".join(f"> {_plain(line)}" for line in verdict.note.splitlines())
    return f"{escaped(verdict.by)} on {when}{where}:\n\n{quoted or '> (no note)'}"


def _plain(line: str) -> str:
    # a comment in HTML could pass for a marker of ours
    return line.replace("<!--", "<\\!--")
