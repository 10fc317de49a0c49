"""What goes wrong with an engine, in one line with a hint."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import dagger

from lapstrake.engines.dagger.session import START, tail
from lapstrake.errors import UserError
from lapstrake.redact import redact

_TAIL_LINES = 20
_FAILED = "Failed to establish client connection to the Dagger session"
_RETRY = "what was finished is kept: build again"

# Names a trace that the log has, too.
_TRACE = re.compile(r" *\[traceparent:[^\]]*\]")

_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)

# What an engine or its client may say -> what we say, and what to do.
_ANSWERS = (
    (
        _FULL,
        "the Dagger engine's disk is full",
        "free some space there: dagger core engine local-cache prune",
    ),
    (
        re.compile(r"incompatible|not compatible|version mismatch|minimum version", re.IGNORECASE),
        "the Dagger engine has another version than dagger-io",
        "use the versions that docs/dagger.md names",
    ),
    (
        re.compile(r"secret .*not found|failed to (?:read|find|lookup) secret", re.IGNORECASE),
        "a secret is missing",
        "check the variable or file that it is to come from",
    ),
    (
        re.compile(r"insecure|security\.?insecure|privileged", re.IGNORECASE),
        "the Dagger engine refuses what building a root needs",
        "allow insecure root capabilities in its configuration",
    ),
)


@contextlib.contextmanager
def told(log: Path) -> Iterator[None]:
    """Turn what an engine's client raises into `UserError`; `log` has the rest."""
    try:
        yield
    except BaseException as error:
        first = first_of(error)
        known = user_error(first, log)
        if known is not None:
            raise known from first
        if first is not error:
            raise first from error
        raise


def first_of(error: BaseException) -> BaseException:
    """The first failure of a group: of those that the user can mend, where there are any."""
    while isinstance(error, BaseExceptionGroup):
        ordered = sorted(error.exceptions, key=lambda e: not isinstance(e, UserError))
        error = ordered[0]
    return error


def user_error(error: BaseException, log: Path) -> UserError | None:
    """What to say of an error; None where it is none of the engine's."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, dagger.ExecError):
        return _of_program(error)
    if isinstance(error, dagger.ClientConnectionError) or type(error).__name__ in {
        "ProvisionError",
        "SessionError",
        "DownloadError",
    }:
        text = next(iter(str(error).splitlines()), type(error).__name__)
        return unreachable(text, log)
    if isinstance(error, dagger.QueryError):
        return _of_query(error, log)
    if isinstance(error, dagger.TransportError) or _is_transport(error):
        return UserError(
            "the connection to the Dagger engine was lost", f"{_RETRY}; {log} says more"
        )
    return None


def _is_transport(error: BaseException) -> bool:
    """Whether an error comes out of the HTTP client, which dagger-io doesn't wrap everywhere."""
    return type(error).__module__.split(".")[0] in {"httpx", "httpcore", "gql", "tenacity"}


def _of_program(error: dagger.ExecError) -> UserError:
    """What our own program in the engine said, or whatever ended there."""
    for line in reversed(error.stdout.splitlines()):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            said = json.loads(line)["error"]
            return _as_here(said["message"], said["hint"], tuple(said["details"]))
    text = f"{error.stderr}\n{error.stdout}"
    tail = tuple(redact(text.strip()).splitlines()[-_TAIL_LINES:])
    known = _known(text, tail)
    program = " ".join(error.command[:3])
    return known or UserError(
        f"{program} failed in the Dagger engine (exit {error.exit_code})", "", tail
    )


def _as_here(message: str, hint: str, details: tuple[str, ...]) -> UserError:
    """An error of our own program, with a hint for who sits at the client."""
    full = _known(message, (message,)) if _FULL.search(message) else None
    if full is not None:
        return full
    if "can't be reached" in message:
        hint = f"{hint}; `dagger: {{fetch: client}}` in lapstrake.yaml fetches here instead"
    return UserError(message, hint, details)


def _of_query(error: dagger.QueryError, log: Path) -> UserError:
    text = redact(_TRACE.sub("", str(error)).strip())
    lines = text.splitlines() or ["no reason given"]
    known = _known(text, tuple(lines[-3:]))
    return known or UserError(
        f"the Dagger engine failed: {lines[0]}", f"{log} says more", tuple(lines[1:][-_TAIL_LINES:])
    )


def _known(text: str, details: tuple[str, ...]) -> UserError | None:
    for pattern, message, hint in _ANSWERS:
        if pattern.search(text):
            return UserError(message, hint, details)
    return None


def unreachable(reason: str, log: Path) -> UserError:
    """No session could be had; its log may say why."""
    said = tuple(redact(line) for line in tail(log))
    why = f": {redact(reason.removeprefix(_FAILED).strip(' :').lower())}" if reason else ""
    known = _known("\n".join((reason, *said)), said)
    return known or UserError(f"no Dagger engine answers{why}", START, said)
