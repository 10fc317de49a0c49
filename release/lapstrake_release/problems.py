"""Every problem at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from lapstrake import process
from lapstrake.errors import UserError

_AT_ONCE = 8


class Refusal(UserError):
    """Why a release can't begin: the first problem, with its hint, and a line for each other."""

    def __init__(self, problems: list[UserError]) -> None:
        first, *others = problems
        more = [f"{p.message} ({p.hint})" if p.hint else p.message for p in others]
        super().__init__(first.message, first.hint, (*first.details, *more))
        self.problems = tuple(problems)


class Problems:
    """Collects what is wrong, so that it can be said together."""

    def __init__(self) -> None:
        self.found: list[UserError] = []

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Keep what the block raises, and go on."""
        try:
            yield
        except process.Stopped:
            raise
        except UserError as error:
            self._add(error)

    def from_all(self, works: Iterable[Callable[[], None]]) -> None:
        """Run all at once; what they raise is kept in their order."""
        with ThreadPoolExecutor(_AT_ONCE, "check") as pool:
            futures = [pool.submit(w) for w in works]
            for future in futures:
                with self.collected():
                    future.result()

    def check(self) -> None:
        """Raise `Refusal` where there is a problem."""
        if self.found:
            raise Refusal(self.found)

    def _add(self, error: UserError) -> None:
        if isinstance(error, Refusal):
            for one in error.problems:
                self._add(one)
        elif error.message not in {p.message for p in self.found}:
            self.found.append(error)
