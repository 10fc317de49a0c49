"""What stands against a draft release, before anything is written."""

from __future__ import annotations

from collections.abc import Callable

from lapstrake.errors import UserError
from lapstrake_release.github.client import GithubClient, Missing, Unprocessable
from lapstrake_release.github.draft import find_releases, refuse_others

# Tokens of apps, also a workflow's own: what GitHub says of their rights is not what they have.
_APPS = "ghs_"


def check_target(client: GithubClient, git_tag: str, commit: str) -> list[UserError]:
    """Every reason why a draft of a tag, at a commit, can't be made; each is one line.

    It only reads. Where the repository can't be read, that is the only reason.
    """
    found: list[UserError] = []
    try:
        repository = client.repository
    except UserError as error:
        return [error]
    if repository.archived:
        found.append(UserError(f"{repository.full_name} is archived: nothing can be added to it"))
    elif not client.settings.token.startswith(_APPS) and not repository.permissions.push:
        found.append(
            UserError(
                f"the token may not write to {repository.full_name}",
                "it needs the permission `contents: write`",
            )
        )
    checks: tuple[Callable[[], None], ...] = (
        lambda: refuse_others(find_releases(client, git_tag)),
        lambda: _check_commit(client, commit),
        lambda: _check_tag(client, git_tag, commit),
    )
    for check in checks:
        try:
            check()
        except UserError as error:
            found.append(error)
    return found


def _check_commit(client: GithubClient, commit: str) -> None:
    try:
        client.patiently("read the commit", lambda: client.repository.get_commit(commit))
    except (Missing, Unprocessable):
        # the one for what is no hash, the other for a hash that it doesn't have
        raise UserError(
            f"{client.settings.repository} has no commit {commit[:12]}", "push it first"
        ) from None


def _check_tag(client: GithubClient, git_tag: str, commit: str) -> None:
    """A tag that exists already must be at the commit."""
    there = tag_commit(client, git_tag)
    if there and there != commit:
        raise UserError(
            f"the tag {git_tag} is at {there[:12]}, and this release is of {commit[:12]}",
            "give the family a new version",
        )


def tag_commit(client: GithubClient, git_tag: str) -> str:
    """The commit that a tag of the repository is at; empty where there is no such tag."""

    def step() -> str:
        target = client.repository.get_git_ref(f"tags/{git_tag}").object
        while target.type == "tag":
            target = client.repository.get_git_tag(target.sha).object
        return target.sha

    try:
        return client.patiently("read the tag", step)
    except Missing:
        return ""
