"""The draft itself: made once, found again, brought to what it should be, never published.

A release that is public is never touched. A draft is found by its tag and the marker in its notes,
so a run that was ended anywhere goes on with what it left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from github.GitRelease import GitRelease

from lapstrake.errors import UserError
from lapstrake_release.facts import AssetFacts, DraftResult, DraftState, ReleaseFacts
from lapstrake_release.github.assets import Asset, assets_of, held_assets, send_assets
from lapstrake_release.github.changes import find_changes
from lapstrake_release.github.client import GithubClient
from lapstrake_release.github.marker import is_edited, is_ours, marked
from lapstrake_release.github.notes import release_notes

Tick = Callable[[int], None]


@dataclass(frozen=True)
class FoundRelease:
    """A release as GitHub has it.

    Attributes:
        id: GitHub's.
        tag: the tag that it has, or will make.
        commit: what its tag is to be made at.
        ours: whether it was made here.
        edited: whether a person has changed its notes since (true where it isn't ours).
    """

    id: int
    tag: str
    name: str
    body: str
    commit: str
    url: str
    draft: bool
    prerelease: bool
    ours: bool
    edited: bool


def find_release(client: GithubClient, git_tag: str) -> FoundRelease | None:
    """The release of a tag: the public one, else the draft made here, else any draft.

    None where there is none.
    """
    found = find_releases(client, git_tag)
    return min(found, key=lambda r: (r.draft, not r.ours, r.id)) if found else None


def find_releases(client: GithubClient, git_tag: str) -> list[FoundRelease]:
    """All that have the tag (drafts may share one), the oldest first."""
    listing = client.pages("list the releases", client.repository.get_releases)
    return sorted((_found(r) for r in listing if r.tag_name == git_tag), key=lambda r: r.id)


def refuse_others(found: list[FoundRelease]) -> None:
    """Raise `UserError` where a release of the tag is public, or a draft is somebody else's."""
    for release in found:
        if not release.draft:
            raise UserError(
                f"{release.tag} is published already, and is left as it is",
                "give the family a new version",
                (release.url,),
            )
        if not release.ours:
            raise UserError(
                f"there is a draft of {release.tag} that was not made here",
                "publish or delete it; or let it be, and delete only its tag",
                (release.url,),
            )


def publish_draft(
    client: GithubClient, facts: ReleaseFacts, tick: Tick = lambda _: None
) -> DraftResult:
    """Have a draft with the release's notes and files.

    Notes that a person has edited in the draft stay as they are. Files that are there, of the same
    name and hash, are not sent again.

    Args:
        client: of the repository.
        facts: the release; with its evidence (see `evidence.write_evidence`).
        tick: told of each file's bytes once GitHub has them.

    Raises:
        UserError: GitHub refuses; the release is public; another draft has its tag.
    """
    wanted = assets_of(facts)
    changes = find_changes(client, facts.git_tag, facts.commit)
    body = marked(release_notes(facts, changes), facts.git_tag)
    release, state = _ensure(client, facts, body)
    sent = send_assets(client, release, wanted, tick)
    _compare(client, release, wanted)
    if sent and state == "unchanged":
        state = "updated"
    assets = tuple(AssetFacts(a.name, a.sha256, a.size, a.name in sent) for a in wanted)
    return DraftResult(state, release.html_url, release.id, assets)


def _ensure(client: GithubClient, facts: ReleaseFacts, body: str) -> tuple[GitRelease, DraftState]:
    """The draft with its notes, and whether that was so before."""
    asked: list[str] = []

    def step() -> GitRelease:
        # also after an answer that was lost: the draft may be there
        found = find_releases(client, facts.git_tag)
        refuse_others(found)
        if found:
            _remove_twins(client, found[1:])
            return client.repository.get_release(found[0].id)
        asked.append("made")
        return client.repository.create_git_release(
            tag=facts.git_tag,
            name=_title(facts),
            message=body,
            draft=True,
            prerelease=facts.prerelease,
            target_commitish=facts.commit,
        )

    release = client.patiently("make the draft", step)
    if asked:
        return release, "created"
    return _updated(client, release, facts, body)


def _updated(
    client: GithubClient, release: GitRelease, facts: ReleaseFacts, body: str
) -> tuple[GitRelease, DraftState]:
    """A draft that was there, with what has changed since."""
    new_body = release.body if is_edited(release.body) else body
    old = (release.body, release.target_commitish, release.prerelease)
    if old == (new_body, facts.commit, facts.prerelease):
        return release, "unchanged"

    def step() -> GitRelease:
        # to send draft=true to what was published meanwhile would withdraw it
        refuse_others([_found(client.repository.get_release(release.id))])
        return release.update_release(
            name=release.name or _title(facts),
            message=new_body,
            draft=True,
            prerelease=facts.prerelease,
            target_commitish=facts.commit,
        )

    return client.patiently("change the draft", step), "updated"


def _remove_twins(client: GithubClient, twins: list[FoundRelease]) -> None:
    """Remove drafts of ours that a lost answer has made us make twice."""
    for twin in twins:
        client.repository.get_release(twin.id).delete_release()


def _compare(client: GithubClient, release: GitRelease, wanted: tuple[Asset, ...]) -> None:
    """Read back what GitHub holds now."""
    held = held_assets(client, release)
    for asset in wanted:
        if asset.name not in held or not held[asset.name].is_whole(asset):
            raise UserError(
                f"{asset.name} in the draft is not what was sent",
                "run it again",
                (release.html_url,),
            )


def _found(release: GitRelease) -> FoundRelease:
    body = release.body or ""
    return FoundRelease(
        id=release.id,
        tag=release.tag_name,
        name=release.name or "",
        body=body,
        commit=release.target_commitish,
        url=release.html_url,
        draft=release.draft,
        prerelease=release.prerelease,
        ours=is_ours(body, release.tag_name),
        edited=is_edited(body),
    )


def _title(facts: ReleaseFacts) -> str:
    return f"{facts.family} {facts.version}"
