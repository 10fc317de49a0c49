"""Many files at once over a few connections; a file counts only when its SHA-256 is right.

A download that breaks off goes on where it was. A file appears under its name when it is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import httpx

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.fetch.http import CONNECTIONS
from lapstrake.fetch.patience import PASSING, Passing
from lapstrake.store.scratch import claimed_file
from lapstrake.store.store import writing

Tick = Callable[[str, int], None]
Login = Callable[[str], tuple[str, str] | None]

_CHUNK = 1 << 18
_ATTEMPTS = 6
_LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Item:
    """One file to fetch.

    Attributes:
        name: what `tick` and messages call it.
        urls: where it may be, tried in order (`http`, `https`, `file`).
        sha256: what it must hash to.
        target: the path that it gets.
        size: bytes, where known: what is large is begun first.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    target: Path
    size: int = 0


class Missing(UserError):
    """A file is at none of its addresses."""


class Mismatch(UserError):
    """What arrived is not the file that was asked for."""


class _Ended(Exception):
    """Another download has failed, or the command is being ended."""


def no_login(_: str) -> None:
    """For files that need no credentials."""


class Downloader:
    """Fetches files over one client.

    Args:
        client: see `lapstrake.fetch.http`.
        login: user and password for a URL.
        pause: seconds before the first repetition; doubled each time.
    """

    def __init__(self, client: httpx.Client, login: Login = no_login, pause: float = 0.5) -> None:
        self._client = client
        self._login = login
        self._pause = pause
        self._ending = threading.Event()

    def fetch_all(self, items: Sequence[Item], tick: Tick) -> dict[str, UserError]:
        """Fetch all files that are not there yet.

        Returns:
            By name, the files that are missing or differ (`Missing`, `Mismatch`); any other
            trouble ends all and is raised.
        """
        wanted = [i for i in items if not i.target.exists()]
        wanted.sort(key=lambda i: (-i.size, i.name))
        with ThreadPoolExecutor(CONNECTIONS, "fetch") as pool:
            try:
                futures = {pool.submit(self._fetch_or_say, i, tick): i for i in wanted}
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                results = {futures[f].name: f.result() for f in done}
            except BaseException:
                self._ending.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return {n: error for n, error in sorted(results.items()) if error is not None}

    def _fetch_or_say(self, item: Item, tick: Tick) -> UserError | None:
        try:
            self.fetch(item, tick)
        except (Missing, Mismatch) as error:
            return error
        return None

    def fetch(self, item: Item, tick: Tick) -> None:
        """Fetch one file, from the first of its addresses that has it.

        Raises:
            Missing: none has it.
            Mismatch: none has it with the right hash.
            UserError: a server doesn't answer, or refuses.
        """
        error: UserError = Missing(f"{item.name} has no address")
        for url in item.urls:
            try:
                self._fetch_from(url, item, tick)
            except (Missing, Mismatch) as failed:
                error = failed
            else:
                return
        raise error

    def _fetch_from(self, url: str, item: Item, tick: Tick) -> None:
        folder = item.target.parent
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            handle, staged = claimed_file(folder, f".{item.target.name[:100]}.")
        try:
            with os.fdopen(handle, "w+b") as file, writing(folder):
                transfer = _Transfer(file, lambda count: tick(item.name, count))
                self._receive(url, transfer)
                if transfer.sha256 != item.sha256 and transfer.pieced:
                    # the pieces may be those of two files: once more, whole
                    transfer.restart()
                    self._receive(url, transfer)
                if transfer.sha256 != item.sha256:
                    transfer.forget()
                    message = f"{item.name} is not the file that the lock names ({shown(url)})"
                    raise Mismatch(message)
                file.flush()
                staged.chmod(0o644)
                staged.replace(item.target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                staged.unlink()

    def _receive(self, url: str, transfer: _Transfer) -> None:
        """Receive the whole file, in as many attempts as it takes."""
        parts = urlsplit(url)
        if parts.scheme == "file":
            _copy(Path(unquote(parts.path)), transfer)
            return
        failures = 0
        while True:
            before = transfer.got
            try:
                self._attempt(url, transfer)
            except (Passing, httpx.TransportError) as error:
                failures = 1 if transfer.got > before else failures + 1
                if failures >= _ATTEMPTS or _is_final(error):
                    raise _unreachable(url, error) from error
                self._rest(failures, error)
            else:
                return

    def _attempt(self, url: str, transfer: _Transfer) -> None:
        """Ask for what is still missing, and take what comes."""
        process.check_stopped()
        asked = {"Range": f"bytes={transfer.got}-"} if transfer.got else {}
        with self._client.stream("GET", url, headers=asked, auth=self._auth(url)) as response:
            if response.status_code == 416:
                transfer.restart()
                raise Passing("the server has less than it sent before")
            _check(response, url)
            if transfer.got and response.status_code == 206:
                transfer.pieced = True
            elif transfer.got:
                transfer.restart()
            announced, begun = response.headers.get("Content-Length"), transfer.got
            for chunk in response.iter_raw():
                transfer.add(chunk)
                if self._ending.is_set():
                    raise _Ended
            if announced is not None and transfer.got - begun != int(announced):
                raise Passing("the connection was closed early")

    def _auth(self, url: str) -> httpx.BasicAuth | None:
        login = self._login(url)
        return httpx.BasicAuth(*login) if login else None

    def _rest(self, failures: int, error: Exception) -> None:
        """Wait before the next attempt: as long as the server asks, else ever longer."""
        asked = error.after if isinstance(error, Passing) else None
        seconds = self._pause * 2 ** (failures - 1) if asked is None else asked
        if self._ending.wait(min(seconds, _LONGEST_WAIT)):
            raise _Ended


class _Transfer:
    """A file being received: its bytes so far and their hash."""

    def __init__(self, file: BinaryIO, tick: Callable[[int], None]) -> None:
        self._file = file
        self._tick = tick
        self._digest = hashlib.sha256()
        self.got = 0
        self.pieced = False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._digest.update(chunk)
        self.got += len(chunk)
        self._tick(len(chunk))

    def restart(self) -> None:
        """Begin again from nothing."""
        self.forget()
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.got = 0
        self.pieced = False

    def forget(self) -> None:
        """Take back what was reported as received."""
        self._tick(-self.got)


def _copy(path: Path, transfer: _Transfer) -> None:
    try:
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                transfer.add(chunk)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Missing(f"{path} is not there") from error
    except PermissionError as error:
        raise UserError(f"{path} can't be read: permission denied") from error


def _check(response: httpx.Response, url: str) -> None:
    """Turn a refusal into an error; what may pass is worth another try."""
    code = response.status_code
    if code in {404, 410}:
        raise Missing(f"{shown(url)} is not there")
    if code in PASSING:
        raise Passing.answered(response)
    if code in {401, 403, 407}:
        raise UserError(
            f"{shown(url)} refuses (HTTP {code})",
            "check the credentials of the index or mirror (its URL, or netrc)",
        )
    if code not in {200, 206}:
        raise UserError(f"{shown(url)} answers HTTP {code}")


def _is_final(error: Exception) -> bool:
    """Whether another attempt can't end otherwise."""
    return isinstance(error, httpx.UnsupportedProtocol) or "certificate" in str(error).lower()


def shown(url: str) -> str:
    """A URL for a message: without credentials and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def _unreachable(url: str, error: Exception) -> UserError:
    reason = str(error) or type(error).__name__
    return UserError(
        f"{urlsplit(url).hostname} can't be reached: {reason}",
        "check the network, the proxy and the certificates (SSL_CERT_FILE)",
        (shown(url),),
    )
