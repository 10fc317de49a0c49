"""What a check is: a small function with a name, and one verdict.

    @check("metrics", when=has_metrics, why="no service has a port called metrics")
    def metrics(ctx: Context) -> None:
        ...
        raise Failed("a 200 from /metrics", f"{code}")

It passes by returning, fails by raising `Failed`, and gives up by raising `Skipped`. A sentence
that it returns goes with the verdict: what it let pass, and why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from lapstrake.dist import BuiltImage
from lapstrake.smoke.report import CheckResult, Kind

if TYPE_CHECKING:
    from lapstrake.smoke.context import Context

Function = Callable[["Context"], str | None]
Predicate = Callable[[BuiltImage], bool]

# Where a check stands: those that break something come last.
USUAL, DISTURBING, ENDING = 0, 1, 2


class Failed(Exception):
    """The check failed; both sentences are for a person.

    Args:
        expected: what should have been seen.
        seen: what was seen.
        service: whose log to show; the main service's by default.
        log: what to show instead.
    """

    def __init__(
        self, expected: str, seen: str, service: str | None = None, log: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"expected {expected}; saw {seen}")
        self.expected = expected
        self.seen = seen
        self.service = service
        self.log = log


class Skipped(Exception):
    """The check can't be made; `why` says so."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Check:
    """A named check: `when` says whether it applies to an image, `why` why it otherwise doesn't.

    `kind` is the class of its verdict, where that says something: see `report.CheckResult`.
    """

    name: str
    function: Function
    when: Predicate | None
    why: str
    order: int
    kind: Kind = ""


def check(
    name: str,
    *,
    when: Predicate | None = None,
    why: str = "",
    order: int = USUAL,
    kind: Kind = "",
) -> Callable[[Function], Check]:
    """Make a function a check. `order` is `DISTURBING` for one that stops services."""
    return lambda function: Check(name, function, when, why or "it doesn't apply", order, kind)


def checks_in(modules: Iterable[ModuleType]) -> tuple[Check, ...]:
    """The checks of some modules, in the order in which they are written."""
    found = [v for m in modules for v in vars(m).values() if isinstance(v, Check)]
    unique = {c.name: c for c in found}
    return tuple(sorted(unique.values(), key=lambda c: c.order))


def perform(checked: Check, ctx: Context) -> CheckResult:
    """Make one check; whatever goes wrong in it is its verdict."""
    began = time.monotonic()
    verdict, fields = _verdict(checked, ctx)
    return CheckResult.model_validate(
        {
            "image": ctx.image.name,
            "name": checked.name,
            "verdict": verdict,
            "kind": checked.kind,
            "seconds": round(time.monotonic() - began, 3),
            **fields,
        }
    )


def _verdict(checked: Check, ctx: Context) -> tuple[str, dict[str, object]]:
    if checked.when is not None and not checked.when(ctx.image):
        return "skipped", {"why": checked.why}
    try:
        why = checked.function(ctx)
    except Skipped as skipped:
        return "skipped", {"why": skipped.why}
    except Failed as failed:
        log = failed.log or ctx.last_lines(failed.service)
        return "failed", {"expected": failed.expected, "seen": failed.seen, "log": log}
    except Exception as error:  # a check of the user's may be wrong, too; the others go on
        seen = f"{type(error).__name__}: {error}"
        log = ctx.last_lines(None)
        return "failed", {"expected": "the check to run to its end", "seen": seen, "log": log}
    return "passed", {"why": why or ""}
