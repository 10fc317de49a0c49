"""What a verification finds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lapstrake import process
from lapstrake.errors import UserError


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that was looked at; `wrong` says what is wrong with it, empty if nothing."""

    part: str
    what: str
    wrong: str = ""


class Findings:
    """Collects them, from several threads."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._lock = threading.Lock()

    def add(self, part: str, what: str, wrong: str = "") -> None:
        """One more."""
        with self._lock:
            self._found.append(Finding(part, what, wrong))

    def same(self, part: str, what: str, expected: str, seen: str) -> None:
        """Something that is to be as expected."""
        wrong = "" if seen == expected else f"is {seen or 'missing'}, not {expected}"
        self.add(part, what, wrong)

    @contextmanager
    def of(self, part: str, what: str) -> Iterator[None]:
        """What the block raises is what is wrong; else it is as it should be."""
        try:
            yield
        except process.Stopped:
            raise
        except UserError as error:
            self.add(part, what, error.message)
        else:
            self.add(part, what)

    @property
    def all(self) -> list[Finding]:
        """Sorted by part and thing."""
        return sorted(self._found)

    @property
    def wrong(self) -> list[Finding]:
        """Those with something wrong."""
        return [f for f in self.all if f.wrong]
