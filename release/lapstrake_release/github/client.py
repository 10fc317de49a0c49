"""PyGithub with patience: what may pass is tried again, what does not is one clear line.

PyGithub could repeat requests by itself, but not know which of them may be: a release that is made
twice is two releases. So here a whole step is repeated, and each step looks first at what is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property, partial
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import requests
from github import Auth, Github
from github.GithubException import GithubException
from github.GithubObject import GithubObject
from github.PaginatedList import PaginatedList
from github.Repository import Repository
from github.Requester import Requester

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.fetch.http import certificates
from lapstrake.fetch.patience import retry_after
from lapstrake.redact import redact
from lapstrake.skopeo import is_loopback
from lapstrake_release.github.settings import GithubSettings

T = TypeVar("T")
G = TypeVar("G", bound=GithubObject)

_PAGE = 100
_ATTEMPTS = 5
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_AGAIN = "run it again: it goes on where it was"

# GitHub asks for a second between writes, and refuses after some 80 a minute.
_BETWEEN_WRITES = 0.5

# Seconds for an answer, and for one to a large file
_TIMEOUT, _THINKING = 30, 300

# What it says of its second limit without saying how long to wait
_MINUTE = 60.0


class Missing(UserError):
    """GitHub has no such thing, or not for this token."""


class Unprocessable(UserError):
    """GitHub can't do that with what it has."""


class Passing(Exception):
    """What a step found is worth another try."""


class GithubClient:
    """One repository on GitHub; to be closed.

    Args:
        settings: which, and how patient to be.
        permission: what the token needs for what is done with it, in GitHub's words.
    """

    def __init__(self, settings: GithubSettings, permission: str = "contents: write") -> None:
        self.settings = settings
        self._permission = permission
        self._github = self._connect(settings.api, _TIMEOUT)
        self._uploading: dict[str, Github] = {}

    def _connect(self, address: str, timeout: int) -> Github:
        apart = 0.0 if is_loopback(self.settings.host) else _BETWEEN_WRITES
        return Github(
            auth=Auth.Token(self.settings.token),
            base_url=address,
            user_agent="lapstrake",
            per_page=_PAGE,
            timeout=timeout,
            verify=certificates() or True,
            retry=None,
            seconds_between_requests=0,
            seconds_between_writes=apart,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in (self._github, *self._uploading.values()):
            connection.close()

    @cached_property
    def repository(self) -> Repository:
        """The repository, as GitHub has it.

        Raises:
            UserError: it is not there, or not for this token.
        """
        return self.patiently(
            "read the repository", lambda: self._github.get_repo(self.settings.repository)
        )

    def uploads(self, url: str) -> Requester:
        """What sends files to GitHub's host for uploads, which `url` lies at.

        PyGithub's own way there knows neither our certificates nor a timeout.

        Raises:
            UserError: it is a host that should not be told the token.
        """
        parts = urlsplit(url)
        address = f"{parts.scheme}://{parts.netloc}"
        own = urlsplit(self.settings.api)
        sibling = f"uploads.{own.netloc.removeprefix('api.')}"
        if parts.scheme != own.scheme or parts.netloc not in {own.netloc, sibling}:
            raise UserError(f"GitHub takes files at {parts.netloc}, which is not {sibling}")
        if address not in self._uploading:
            self._uploading[address] = self._connect(address, _THINKING)
        return self._uploading[address].requester

    def patiently(self, what: str, step: Callable[[], T]) -> T:
        """The result of a step, which is repeated where it fails in a way that may pass.

        Args:
            what: what the step does, as in "GitHub refuses to …".
            step: looks at what is there before it changes anything, so that it can be repeated.

        Raises:
            UserError: GitHub refuses, can't be reached, or asks for too long a wait.
        """
        failures = 0
        while True:
            process.check_stopped()
            try:
                return step()
            except (GithubException, requests.RequestException, Passing) as error:
                failures += 1
                self._rest(what, failures, error)

    def pages(self, what: str, listing: Callable[[], PaginatedList[G]]) -> Iterator[G]:
        """All that a listing has; each page is a step."""
        found = self.patiently(what, listing)
        number, full = 0, True
        while full:
            page = self.patiently(what, partial(found.get_page, number))
            yield from page
            number, full = number + 1, len(page) == _PAGE

    def _rest(self, what: str, failures: int, error: Exception) -> None:
        """Wait before the next attempt; raise where there is to be none."""
        seconds = self._wait(failures, error)
        if seconds is None or failures >= _ATTEMPTS:
            raise self._refused(what, error) from None
        if seconds > self.settings.longest_wait:
            when = datetime.fromtimestamp(time.time() + seconds, UTC).strftime("%H:%M UTC")
            raise UserError(
                f"GitHub's rate limit is used up until {when}", f"then {_AGAIN}"
            ) from None
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            process.check_stopped()
            time.sleep(min(left, 0.2))

    def _wait(self, failures: int, error: Exception) -> float | None:
        """Seconds to wait after a failure; None where waiting doesn't help."""
        pause = self.settings.pause * 2 ** (failures - 1)
        if not isinstance(error, GithubException):
            # a certificate stays as it is
            return None if isinstance(error, requests.exceptions.SSLError) else pause
        if error.status not in _PASSING and not _is_limit(error):
            return None
        asked = _asked(error)
        return pause if asked is None else asked

    def _refused(self, what: str, error: Exception) -> UserError:
        """What came, as one line without the token."""
        if isinstance(error, GithubException):
            return self._answered(what, error)
        if isinstance(error, requests.exceptions.SSLError):
            return UserError(
                f"{self.settings.host} has a certificate that is not trusted", "set SSL_CERT_FILE"
            )
        details = (self._safe(str(error) or type(error).__name__),)
        if isinstance(error, Passing):
            return UserError(f"GitHub can't {what}", _AGAIN, details)
        return UserError(f"{self.settings.host} can't be reached", _AGAIN, details)

    def _answered(self, what: str, error: GithubException) -> UserError:
        name, said = self.settings.repository, self._safe(_message(error))
        details = (said,) if said else ()
        if error.status == 401:
            return UserError(
                "GitHub refuses the token", "is GITHUB_TOKEN (or GH_TOKEN) valid still?", details
            )
        if error.status == 403 and not _is_limit(error):
            return UserError(
                f"the token may not {what} in {name}",
                f"it needs the permission `{self._permission}`, in a workflow and in a token's own",
                details,
            )
        if error.status == 404:
            return Missing(
                f"GitHub can't {what}: {name} has no such thing, or not for this token",
                "check `release: github:` and the token's repositories",
                details,
            )
        if error.status in _PASSING or _is_limit(error):
            return UserError(f"GitHub can't {what} (HTTP {error.status})", _AGAIN, details)
        kind = Unprocessable if error.status == 422 else UserError
        return kind(f"GitHub refuses to {what} (HTTP {error.status})", "", details)

    def _safe(self, text: str) -> str:
        """A line of others' words, without the token."""
        return redact(text.replace(self.settings.token, "***"))[:300]


def _is_limit(error: GithubException) -> bool:
    """Whether a 403 (or 429) is about too many requests rather than a lack of rights."""
    if error.status not in {403, 429}:
        return False
    headers = error.headers or {}
    said = _message(error).lower()
    limited = "rate limit" in said or "abuse" in said
    return limited or "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"


def _asked(error: GithubException) -> float | None:
    """The seconds that GitHub asks for; None where it names none."""
    headers = error.headers or {}
    asked = retry_after(headers.get("retry-after"))
    if asked is not None:
        return asked
    if headers.get("x-ratelimit-remaining") == "0":
        reset = headers.get("x-ratelimit-reset", "")
        # not clear when within that second it is
        return max(float(reset) - time.time(), 0.0) + 1 if reset.isdigit() else _MINUTE
    return _MINUTE if _is_limit(error) and error.status == 403 else None


def _message(error: GithubException) -> str:
    """What GitHub says: its message, and the errors that it lists."""
    data = error.data
    if not isinstance(data, dict):
        return str(data or "").strip()
    parts = [str(data.get("message") or "")]
    errors = data.get("errors")
    for item in errors if isinstance(errors, list) else []:
        fields = item.values() if isinstance(item, dict) else [item]
        parts.append(" ".join(str(f) for f in fields if f))
    return "; ".join(p for p in parts if p)
