"""The session with an engine: the one that we run in, or one that we open."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.store.store import writing

_RUNNER = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
_CLI = "_EXPERIMENTAL_DAGGER_CLI_BIN"
_PORT = "DAGGER_SESSION_PORT"
_TOKEN = "DAGGER_SESSION_TOKEN"  # noqa: S105 - a variable's name

_VERSION = re.compile(r"\bv(\d+\.\d+)\.\d+")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
START = "start one (docs/dagger.md), or build with --engine local"

# Seconds that an engine whose address is known has to answer, and one that must be started first.
_ANSWER = 30.0
_BEGIN = 600.0
_GOODBYE = 20.0
_SHORT_GOODBYE = 3.0


def need_sdk() -> None:
    """Raise `UserError` where Dagger's client for Python isn't installed."""
    if importlib.util.find_spec("dagger") is None:
        raise UserError(
            "the Dagger engine needs dagger-io, which is not installed",
            "pip install 'lapstrake[dagger]', or build with --engine local",
        )


def check_engine() -> None:
    """Raise `UserError` where an engine is named and nobody answers there: before it is needed."""
    if not is_given():
        _knock(os.environ.get(_RUNNER, ""))


def is_given(env: Mapping[str, str] = os.environ) -> bool:
    """Whether we run in a session: under `dagger run` or `dagger api with-session`."""
    return bool(env.get(_PORT))


def in_session(work: Callable[[], Awaitable[None]], log: Path) -> None:
    """Run `work` in a session; what the engine says of its own accord goes to the file `log`.

    Raises:
        UserError: no engine answers, it goes away, or it can't do what it is asked.
    """
    import anyio

    from lapstrake.engines.dagger.errors import told

    async def whole() -> None:
        import dagger
        from dagger import Retry

        # to ask again where a query failed is the caller's affair
        config = dagger.Config(retry=Retry(connect=False, execute=False))
        try:
            async with dagger.connection(config):
                await work()
        finally:
            # a connection that was never made stays so, for whoever connects next in this process
            with anyio.CancelScope(shield=True):
                await dagger.close()

    with writing(log.parent):
        file = log.open("w", encoding="utf-8")
    with file, told(log), _logged(file), _opened(file):
        anyio.run(whole)


@contextlib.contextmanager
def _opened(log: TextIO) -> Iterator[None]:
    """Have a session; its address is in the environment, where dagger-io looks for it.

    dagger-io would start the same program. We do, to end it when we end, and to wait no longer for
    an engine than makes sense.
    """
    if is_given():
        yield
        return
    from lapstrake.engines.dagger.errors import unreachable

    runner = os.environ.get(_RUNNER, "")
    patience = _ANSWER if _knock(runner) else _BEGIN
    args = [_program(), "session", "--label", "dagger.io/sdk.name:python"]
    with process.spawn(
        args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.fileno()
    ) as child:
        try:
            said = _first_line(child, patience)
            if not said:
                raise unreachable("", Path(log.name))
            os.environ[_PORT], os.environ[_TOKEN] = said
            yield
        except BaseException:
            _leave(child, _SHORT_GOODBYE)
            raise
        finally:
            os.environ.pop(_PORT, None)
            os.environ.pop(_TOKEN, None)
        _leave(child, _GOODBYE)


def _first_line(child: subprocess.Popen[bytes], patience: float) -> tuple[str, str] | None:
    """The session's port and token; None where it ends, or tells nothing in time."""
    lines: list[bytes] = []
    if child.stdout is None:
        return None
    reader = threading.Thread(target=lambda: lines.append(_line(child)), daemon=True)
    reader.start()
    reader.join(patience)
    try:
        found = json.loads(lines[0])
        return str(found["port"]), str(found["session_token"])
    except (IndexError, ValueError, KeyError, TypeError):
        return None


def _line(child: subprocess.Popen[bytes]) -> bytes:
    return child.stdout.readline() if child.stdout else b""


def _leave(child: subprocess.Popen[bytes], patience: float) -> None:
    """End the session: it ends with its standard input, after what it still has to say."""
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(patience)
    if child.poll() is None:
        # it waits for an engine that is gone
        child.kill()


def _knock(runner: str) -> bool:
    """Whether an engine has an address of its own; `UserError` where nobody answers there."""
    parts = urlsplit(runner)
    try:
        if parts.scheme == "unix":
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as one:
                one.settimeout(_ANSWER)
                one.connect(parts.path)
        elif parts.scheme == "tcp":
            host, port = parts.hostname or "", parts.port or 0
            with contextlib.closing(socket.create_connection((host, port), _ANSWER)):
                pass
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UserError(
            f"no Dagger engine answers at {runner}: {reason.lower()}",
            f"{_RUNNER} names it; {START}",
        ) from error
    return parts.scheme in {"unix", "tcp"}


def _program() -> str:
    """The `dagger` to start: one that is named, the one on the PATH if it fits, or dagger-io's."""
    if named := os.environ.get(_CLI):
        if process.which(named) is None:
            raise UserError(f"there is no program {named}", f"{_CLI} names it")
        return named
    return _on_path() or _downloaded()


def _on_path() -> str | None:
    """The `dagger` on the PATH, if it speaks what dagger-io speaks."""
    from importlib.metadata import version

    found = process.which("dagger")
    if found is None:
        return None
    said = _VERSION.search(process.run([found, "version"], check=False).stdout)
    minor = ".".join(version("dagger-io").split(".")[:2])
    return found if said is not None and said[1] == minor else None


def _downloaded() -> str:
    """The one that dagger-io downloads, once."""
    from dagger.provisioning._download import Downloader

    try:
        return str(Downloader().get_sync())
    except Exception as error:
        raise UserError(
            f"dagger can't be downloaded: {str(error).rpartition(': ')[2]}",
            f"install it (docs/dagger.md), or set {_CLI} to it",
        ) from error


@contextlib.contextmanager
def _logged(log: TextIO) -> Iterator[None]:
    """What the client's libraries say goes to the log, too: it is none of the user's affair."""
    import logging

    handler = logging.StreamHandler(log)
    loggers = [logging.getLogger(name) for name in ("dagger", "gql", "httpx", "asyncio")]
    before = [(x, x.propagate) for x in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagate in before:
            logger.removeHandler(handler)
            logger.propagate = propagate


def tail(log: Path) -> tuple[str, ...]:
    """The last lines of a session's log, without what colours them."""
    text = _ESCAPE.sub("", log.read_text(encoding="utf-8", errors="replace"))
    return tuple(line.strip() for line in text.splitlines() if line.strip())[-5:]
