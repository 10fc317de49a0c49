"""A client of a repository that has channels; see `Referrers`."""

from __future__ import annotations

import contextlib
import email.utils
import time
from collections.abc import Iterable, Iterator

import httpx

from lapstrake.registry.repository import Repository
from lapstrake_release.beside.artifact import INDEX
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.channels import tags
from lapstrake_release.channels.record import Move, decode, encode
from lapstrake_release.names import ANYTHING


class ChannelRegistry(Referrers):
    """Reads and writes records, and gives tags; knows what time it is for the registry."""

    def __init__(self, repository: Repository, pause: float = 0.5) -> None:
        super().__init__(repository, pause)
        self._first_pause = pause
        # from the registry's clock to ours, which may be a machine's that is minutes off
        self._ahead = 0.0
        self._http.event_hooks = {"response": [self._hear_time]}

    def twin(self) -> ChannelRegistry:
        """Another client of the same repository, with connections of its own; to be closed."""
        return ChannelRegistry(self.repository, self._first_pause)

    @property
    def now(self) -> float:
        """Seconds since 1970 by the registry's clock, or by ours where it tells none."""
        return time.time() + self._ahead

    def digest(self, name: str) -> str:
        """The digest of what a name holds, without receiving it; empty where there is none."""

        def ask() -> str | None:
            url = f"{self.repository.url}/manifests/{name}"
            answer = self._http.head(url, headers={"Accept": ANYTHING}, auth=self._auth)
            if answer.status_code == 404:
                return ""
            self._check(answer, {200})
            return str(answer.headers.get("Docker-Content-Digest", "")) or None

        found = self._patiently(ask)
        # the header is optional
        return super().digest(name) if found is None else found

    def mount(self, digest: str, source: str) -> bool:
        """Let the registry take a blob from another repository of its own; whether it did.

        Args:
            digest: of the blob.
            source: that repository's path.
        """

        def ask() -> httpx.Response:
            url = f"{self.repository.url}/blobs/uploads/"
            wish = {"mount": digest, "from": source}
            answer = self._http.post(url, params=wish, auth=self._auth)
            self._check(answer, {201, 202})
            return answer

        answer = self._patiently(ask)
        if answer.status_code == 202:
            # it has begun an upload instead, and forgets it by itself where this fails
            place = str(answer.url.join(answer.headers.get("Location", "")))
            with contextlib.suppress(httpx.TransportError):
                self._http.delete(place, auth=self._auth)
        return answer.status_code == 201

    def put_index(self, name: str, data: bytes) -> None:
        """Give a name an index, whose manifests are there already."""
        self.put_manifest(name, data, INDEX)

    def head(self, channel: str) -> Move | None:
        """A channel's last move, finished or not; None where there was none.

        Raises:
            UserError: the registry can't be reached, or the record can't be read.
        """
        found = self.read(tags.head(channel))
        if found is None:
            # somebody may have removed that one tag: what is kept for good tells the same
            number = tags.highest_record(self.names(), channel)
            found = self.record(channel, number) if number else None
        return found

    def record(self, channel: str, number: int) -> Move | None:
        """A move that is over; None where its record is gone."""
        return self.read(tags.record(channel, number))

    def put_record(self, move: Move) -> None:
        """Keep a move: for good where it is over, and as the channel's last one."""
        data = encode(move)
        if move.is_over:
            self.put_index(tags.record(move.channel, move.number), data)
        self.put_index(tags.head(move.channel), data)

    def read(self, reference: str) -> Move | None:
        """The record that a tag or a digest names; None where there is none."""
        data = self.holder(reference)
        mark = "@" if reference.startswith("sha256:") else ":"
        return None if data is None else decode(data, f"{self.repository}{mark}{reference}")

    def _hear_time(self, answer: httpx.Response) -> None:
        said = answer.headers.get("Date")
        try:
            there = email.utils.parsedate_to_datetime(said or "").timestamp()
        except ValueError:
            return
        # it tells whole seconds
        if abs(there - self.now) > 2:
            self._ahead = there - time.time()


@contextlib.contextmanager
def opened(repositories: Iterable[Repository]) -> Iterator[dict[Repository, ChannelRegistry]]:
    """A client of each repository, as long as the context lasts."""
    with contextlib.ExitStack() as stack:
        yield {
            r: stack.enter_context(ChannelRegistry(r)) for r in sorted(set(repositories), key=str)
        }
