"""A client of one repository: manifests and blobs, with whatever login the machine has."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeGuard, TypeVar

import httpx

from lapstrake.errors import UserError
from lapstrake.fetch.http import client, loopback_client, stall
from lapstrake.fetch.patience import PASSING, Passing, Patience, unreachable
from lapstrake.registry.auth import RegistryAuth
from lapstrake.registry.credentials import find_credentials
from lapstrake.registry.repository import Repository
from lapstrake.skopeo import is_loopback

MANIFEST = "application/vnd.oci.image.manifest.v1+json"

Tick = Callable[[int], None]
T = TypeVar("T")

_PIECE = 1 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# A registry takes no larger manifest; nor do we take a larger one from it.
_LARGEST_MANIFEST = 4 << 20

# Bytes a second that a registry gets through at the least, when it thinks over a blob that it has.
_THOUGHT_OVER = 5_000_000


class Damaged(UserError):
    """What a registry sent is not what it was asked for."""


class RegistryClient:
    """Reads and writes one repository, from several threads; to be closed.

    What may pass (a lost connection, HTTP 429 or 503) is tried again; a download goes on where it
    was. `UserError` says what doesn't pass: no such host, a login that is refused, no right.

    Args:
        repository: which.
        pause: seconds before the first repetition; doubled each time.
    """

    def __init__(self, repository: Repository, pause: float = 0.5) -> None:
        self.repository = repository
        self._patience = Patience(pause, self._unreachable)
        self._auth = RegistryAuth(repository.url, lambda: find_credentials(repository))
        self._http = loopback_client() if is_loopback(repository.host) else client()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._patience.end()
        self._http.close()

    def end(self) -> None:
        """Let who waits or transfers in another thread give up."""
        self._patience.end()

    def manifest(self, reference: str) -> bytes | None:
        """The manifest that a tag or a digest names; None where there is none.

        Raises:
            Damaged: it is too large, or isn't what the digest says.
        """
        return self._patiently(lambda: self._get_manifest(reference))

    def put_manifest(
        self, reference: str, data: bytes, media_type: str = MANIFEST
    ) -> Mapping[str, str]:
        """Give a tag (or the digest) a manifest, whose blobs are there already.

        Returns:
            The headers of the registry's answer, by name in any case.
        """

        def put() -> Mapping[str, str]:
            url = f"{self.repository.url}/manifests/{reference}"
            headers = {"Content-Type": media_type}
            answer = self._http.put(url, content=data, headers=headers, auth=self._auth)
            if answer.status_code == 400 and "DIGEST_INVALID" in answer.text:
                # Docker's registry says so while another push rewrites its link to a blob
                raise Passing(_reason(answer))
            self._check(answer, {201})
            return answer.headers

        return self._patiently(put)

    def has_blob(self, digest: str) -> bool:
        """Whether the repository has a blob."""
        return self._patiently(lambda: self._has(digest))

    def upload(
        self, digest: str, content: Path | bytes, tick: Tick = lambda _: None, source: str = ""
    ) -> bool:
        """Have a blob in the repository; whether bytes had to be sent.

        Args:
            digest: `sha256:…`; the registry checks it.
            content: the blob.
            tick: told of bytes as they are sent (negative where they are sent again).
            source: the path of a repository of this registry that may have the blob.
        """
        body = _Content(content, tick, self)
        # asked each time: it may be that only the answer to an upload was lost
        return self._patiently(lambda: not self._has(digest) and self._send(digest, body, source))

    def download(self, digest: str, size: int, file: BinaryIO, tick: Tick = lambda _: None) -> None:
        """Receive a blob of `size` bytes into an empty file.

        Args:
            digest: `sha256:…`; it is checked.
            size: what it is to have; not a byte more is taken.
            file: open for writing, at its beginning.
            tick: told of bytes as they come (negative where they have to come again).

        Raises:
            Damaged: the registry has no such blob, or sends another.
        """
        transfer = _Transfer(file, size, tick)
        failures = 0
        while not transfer.is_whole:
            before = transfer.got
            try:
                self._receive(digest, transfer)
            except (Passing, httpx.TransportError) as error:
                failures = 1 if transfer.got > before else failures + 1
                self._patience.rest(failures, error)
        if transfer.digest != digest:
            raise Damaged(f"{self.repository} sends other bytes for {digest}")

    def small_blob(self, digest: str, size: int) -> bytes:
        """A blob that is no larger than a manifest may be."""
        if size > _LARGEST_MANIFEST:
            raise Damaged(f"{self.repository}: {digest} is too large")
        file = io.BytesIO()
        self.download(digest, size, file)
        return file.getvalue()

    def _get_manifest(self, reference: str) -> bytes | None:
        url = f"{self.repository.url}/manifests/{reference}"
        with self._http.stream("GET", url, headers={"Accept": MANIFEST}, auth=self._auth) as got:
            if got.status_code == 404:
                return None
            self._check(got, {200})
            data = b""
            for piece in got.iter_raw():
                data += piece
                if len(data) > _LARGEST_MANIFEST:
                    raise Damaged(f"{self.repository}: the manifest {reference} is too large")
        if reference.startswith("sha256:") and sha256_of(data) != reference:
            raise Damaged(f"{self.repository} sends another manifest for {reference}")
        return data

    def _has(self, digest: str) -> bool:
        answer = self._http.head(f"{self.repository.url}/blobs/{digest}", auth=self._auth)
        if answer.status_code == 404:
            return False
        self._check(answer, {200})
        return True

    def _send(self, digest: str, content: _Content, source: str) -> bool:
        """Upload, unless the registry takes the blob from a repository that has it."""
        wish = {"mount": digest} | ({"from": source} if source else {})
        url = f"{self.repository.url}/blobs/uploads/"
        answer = self._http.post(url, params=wish, auth=self._auth)
        self._check(answer, {201, 202})
        if answer.status_code == 201:
            return False
        place = str(answer.url.join(answer.headers.get("Location", "")))
        place += f"{'&' if '?' in place else '?'}digest={digest}"
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(content.size),
        }
        thinking = stall() + content.size / _THOUGHT_OVER
        timeout = httpx.Timeout(self._http.timeout.write, read=thinking, pool=None)
        done = self._http.put(
            place, content=content, headers=headers, auth=self._auth, timeout=timeout
        )
        if done.status_code == 400 and "DIGEST_INVALID" in done.text:
            raise UserError(
                f"{content.name} isn't what its name says: {self.repository.host} refuses it",
                "`lapstrake cache verify --repair` removes what is broken",
            )
        self._check(done, {201})
        return True

    def _receive(self, digest: str, transfer: _Transfer) -> None:
        """Ask for what is still missing, and take what comes."""
        url = f"{self.repository.url}/blobs/{digest}"
        asked = {"Range": f"bytes={transfer.got}-"} if transfer.got else {}
        with self._http.stream("GET", url, headers=asked, auth=self._auth) as answer:
            if answer.status_code == 416:
                transfer.restart()
                raise Passing("the registry has less than it sent before")
            if answer.status_code == 404:
                raise Damaged(f"{self.repository} has no {digest}")
            self._check(answer, {200, 206})
            if transfer.got and answer.status_code == 200:
                transfer.restart()
            for piece in answer.iter_raw():
                self.check_ending()
                if not transfer.add(piece):
                    raise Damaged(f"{self.repository} sends more than {digest} has")
        if not transfer.is_whole:
            raise Passing("the connection was closed early")

    def _patiently(self, work: Callable[[], T]) -> T:
        """Try again what may pass."""
        return self._patience.work(work)

    def check_ending(self) -> None:
        """Raise `Stopped` where this client, or all, is to end."""
        self._patience.check_ending()

    def _unreachable(self, error: Exception) -> UserError:
        return unreachable(error, self.repository.host, self.repository.host, "registry")

    def _check(self, answer: httpx.Response, good: set[int]) -> None:
        """Turn a refusal into an error."""
        code, host = answer.status_code, self.repository.host
        if code in good:
            return
        answer.read()
        reason = self._auth.hide(_reason(answer))
        if code in PASSING:
            raise Passing.answered(answer, reason)
        if code == 401:
            verb = "refuses the login" if self._auth.has_login else "wants a login"
            raise UserError(f"{host} {verb}", f"run `skopeo login {host}`")
        if code == 403:
            message = f"{host} denies access to {self.repository.path}"
            raise UserError(message, "ask for the right to it", (reason,))
        if code == 404:
            message = f"{host} has no repository {self.repository.path}"
            raise UserError(message, "make it there", (reason,))
        if code == 405:
            raise UserError(f"{host} takes no writes", details=(reason,))
        raise UserError(f"{self.repository}: the registry refuses", details=(reason,))


class _Transfer:
    """A blob being received: its bytes so far and their hash."""

    def __init__(self, file: BinaryIO, size: int, tick: Tick) -> None:
        self._file = file
        self._size = size
        self._tick = tick
        self._hashing = hashlib.sha256()
        self.got = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._hashing.hexdigest()}"

    @property
    def is_whole(self) -> bool:
        return self.got == self._size

    def add(self, piece: bytes) -> bool:
        """Take more bytes, unless they are too many."""
        if self.got + len(piece) > self._size:
            return False
        self._file.write(piece)
        self._hashing.update(piece)
        self.got += len(piece)
        self._tick(len(piece))
        return True

    def restart(self) -> None:
        """Begin again from nothing."""
        self._tick(-self.got)
        self._file.seek(0)
        self._file.truncate()
        self._hashing = hashlib.sha256()
        self.got = 0


class _Content:
    """A blob to send, as often as it takes."""

    def __init__(self, content: Path | bytes, tick: Tick, owner: RegistryClient) -> None:
        self._content = content
        self._tick = tick
        self._owner = owner
        self._sent = 0
        is_file = isinstance(content, Path)
        self.size = content.stat().st_size if isinstance(content, Path) else len(content)
        self.name = str(content) if is_file else "what is sent"

    def __iter__(self) -> Iterator[bytes]:
        self._tick(-self._sent)
        self._sent = 0
        if isinstance(self._content, bytes):
            yield self._content
            return
        with self._content.open("rb") as file:
            while piece := file.read(_PIECE):
                self._owner.check_ending()
                yield piece
                self._sent += len(piece)
                self._tick(len(piece))


def sha256_of(data: bytes) -> str:
    """`sha256:…` of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(value: object) -> TypeGuard[str]:
    """Whether a value is `sha256:…`."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _reason(answer: httpx.Response) -> str:
    """What a registry says of a refusal, in its own words; one line."""
    try:
        first = answer.json()["errors"][0]
        said = f"{first.get('code', '')}: {first.get('message', '')}"
    except (ValueError, LookupError, TypeError, AttributeError):
        said = answer.text.strip()
    line = next(iter(said.splitlines()), "")[:200]
    return f"HTTP {answer.status_code} {line}".strip()
