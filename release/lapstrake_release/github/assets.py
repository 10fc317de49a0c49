"""The files of a draft: each is sent once, and one that was cut off is replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from github.GithubException import GithubException
from github.GitRelease import GitRelease
from github.GitReleaseAsset import GitReleaseAsset

from lapstrake_release.evidence.publishable import check_publishable
from lapstrake_release.evidence.sums import SUMS, published_name, sha256_of
from lapstrake_release.facts import ReleaseFacts
from lapstrake_release.github.client import GithubClient, Passing

_PIECE = 1 << 20


@dataclass(frozen=True)
class Asset:
    """A file to publish; `sha256` is hexadecimal, `size` in bytes."""

    name: str
    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Held:
    """A file that GitHub holds, or part of it; `sha256` is empty where GitHub doesn't say."""

    asset: GitReleaseAsset
    name: str
    size: int
    sha256: str
    uploaded: bool

    @classmethod
    def of(cls, asset: GitReleaseAsset) -> Held:
        """What GitHub says of one of its files."""
        digest = (asset.digest or "").removeprefix("sha256:")
        return cls(asset, asset.name, asset.size, digest, asset.state == "uploaded")

    def is_whole(self, wanted: Asset) -> bool:
        """Whether it is just the file that was wanted."""
        if not self.uploaded or self.size != wanted.size:
            return False
        return (self.sha256 or _downloaded_sha256(self.asset)) == wanted.sha256


def assets_of(facts: ReleaseFacts) -> tuple[Asset, ...]:
    """Every file of a release by name, SHA256SUMS last: where it is, the others are.

    Raises:
        UserError: a file can't be read, or GitHub would not take it.
    """
    check_publishable(facts.published)
    found = (Asset(published_name(p), p, sha256_of(p), p.stat().st_size) for p in facts.published)
    return tuple(sorted(found, key=lambda a: (a.name == SUMS, a.name)))


def send_assets(
    client: GithubClient,
    release: GitRelease,
    wanted: Iterable[Asset],
    tick: Callable[[int], None],
) -> frozenset[str]:
    """Send what a release lacks; the names of what had to be sent."""
    held = held_assets(client, release)
    sent = set()
    for asset in wanted:
        if _send(client, release, asset, held.get(asset.name)):
            sent.add(asset.name)
        tick(asset.size)
    return frozenset(sent)


def held_assets(client: GithubClient, release: GitRelease) -> dict[str, Held]:
    """What a release has, by name."""
    listing = client.pages("list the draft's files", release.get_assets)
    return {asset.name: Held.of(asset) for asset in listing}


def _send(client: GithubClient, release: GitRelease, asset: Asset, held: Held | None) -> bool:
    """Have one file in the release; whether it had to be sent."""
    known = [held]
    sent: list[int] = []

    def step() -> None:
        # on every further attempt, what the one before has left
        there = known.pop() if known else held_assets(client, release).get(asset.name)
        if there is not None:
            if there.is_whole(asset):
                return
            _delete(there.asset)
        sent.append(asset.size)
        _upload(client, release, asset)

    client.patiently(f"upload {asset.name}", step)
    return bool(sent)


def _upload(client: GithubClient, release: GitRelease, asset: Asset) -> None:
    url = release.upload_url.partition("{")[0]
    try:
        client.uploads(url).requestBlobAndCheck(
            "POST",
            # the path alone: the connection is to the host for uploads already
            "/" + url.split("/", 3)[3],
            parameters={"name": asset.name},
            headers={"Content-Type": "application/octet-stream"},
            input=str(asset.path),
        )
    except GithubException as error:
        if error.status == 422 and "already_exists" in str(error.data):
            raise Passing("it says that the file is there") from None
        raise


def _delete(asset: GitReleaseAsset) -> None:
    try:
        asset.delete_asset()
    except GithubException as error:
        if error.status != 404:
            raise


def _downloaded_sha256(asset: GitReleaseAsset) -> str:
    """The hash of what GitHub holds, where it is too old to say it."""
    found = hashlib.sha256()
    _, _, pieces = asset.download_asset(chunk_size=_PIECE)
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()
