"""Trying again what may pass: a lost connection, HTTP 429 or 503."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import httpx

from lapstrake import process
from lapstrake.errors import UserError

T = TypeVar("T")

# Answers that another try may turn.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

_ATTEMPTS = 4
_LONGEST_WAIT = 60.0
_FINAL = ("certificate", "name or service not known", "connection refused")


class Passing(Exception):
    """An answer that is worth another try; `after` is what the server asks for, in seconds."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after

    @classmethod
    def answered(cls, answer: httpx.Response, reason: str = "") -> Passing:
        """For an answer whose status is one of `PASSING`."""
        after = retry_after(answer.headers.get("Retry-After"))
        return cls(reason or f"HTTP {answer.status_code}", after)


class Patience:
    """Tries again, from several threads, until it works, can't, or is told to end.

    Args:
        pause: seconds before the first repetition; doubled each time.
        given_up: the error to raise for the last failure.
    """

    def __init__(self, pause: float, given_up: Callable[[Exception], UserError]) -> None:
        self._pause = pause
        self._given_up = given_up
        self._ending = threading.Event()

    def end(self) -> None:
        """Let who waits or transfers in another thread give up."""
        self._ending.set()

    def check_ending(self) -> None:
        """Raise `Stopped` where this work, or all, is to end."""
        process.check_stopped()
        if self._ending.is_set():
            raise process.Stopped("stopped")

    def work(self, work: Callable[[], T]) -> T:
        """What `work` returns, at the first try that doesn't fail."""
        failures = 0
        while True:
            self.check_ending()
            try:
                return work()
            except (Passing, httpx.TransportError) as error:
                failures += 1
                self.rest(failures, error)

    def rest(self, failures: int, error: Exception) -> None:
        """Wait before the next attempt; raise where there is to be none."""
        self.check_ending()
        if failures >= _ATTEMPTS or _is_final(error):
            raise self._given_up(error) from error
        asked = error.after if isinstance(error, Passing) else None
        seconds = self._pause * 2 ** (failures - 1) if asked is None else asked
        self._ending.wait(min(seconds, _LONGEST_WAIT))
        self.check_ending()


def unreachable(error: Exception, name: str, host: str, kind: str) -> UserError:
    """One line for the last failure of a server.

    Args:
        error: `Passing`, or what httpx raised.
        name: how the server is called; `host` where it has no other name.
        host: HOST or HOST:PORT.
        kind: what runs there, such as `registry`.
    """
    reason = str(error) or type(error).__name__
    if "connection refused" in reason.lower():
        prefix = "" if name == host else f"{name}: "
        return UserError(f"{prefix}nothing answers at {host}", f"is the {kind} running there?")
    if isinstance(error, Passing):
        return UserError(f"{name} doesn't serve: {reason}", "try again later")
    hint = "check the address, the network, the proxy and the certificates (SSL_CERT_FILE)"
    return UserError(f"{name} can't be reached: {reason}", hint)


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(when.timestamp() - time.time(), 0.0)


def _is_final(error: Exception) -> bool:
    """Whether another attempt can't end otherwise."""
    said = str(error).lower()
    return isinstance(error, httpx.UnsupportedProtocol) or any(x in said for x in _FINAL)
