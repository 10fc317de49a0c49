"""The session with an engine: the one that we run in, or one that we open."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.store.store import writing

if TYPE_CHECKING:
    import dagger

_CLI = "_EXPERIMENTAL_DAGGER_CLI_BIN"
_PORT = "DAGGER_SESSION_PORT"
_VERSION = re.compile(r"\bv(\d+\.\d+)\.\d+")


def need_sdk() -> None:
    """Raise `UserError` where Dagger's client for Python isn't installed."""
    if importlib.util.find_spec("dagger") is None:
        raise UserError(
            "the Dagger engine needs dagger-io, which is not installed",
            "pip install 'lapstrake[dagger]', or build with --engine local",
        )


def is_given(env: Mapping[str, str] = os.environ) -> bool:
    """Whether we run in a session: under `dagger run` or `dagger api with-session`."""
    return bool(env.get(_PORT))


def in_session(work: Callable[[], Awaitable[None]], log: Path) -> None:
    """Run `work` in a session; what the engine says of its own accord goes to `log`.

    Raises:
        UserError: no engine answers, it goes away, or it can't do what it is asked.
    """
    import anyio

    from lapstrake.engines.dagger.errors import told

    async def whole() -> None:
        with writing(log.parent):
            file = log.open("w", encoding="utf-8")
        with file:
            async with _opened(file):
                await work()

    with told(log):
        anyio.run(whole)


@contextlib.asynccontextmanager
async def _opened(log: TextIO) -> AsyncIterator[None]:
    import dagger

    with _quiet(log):
        async with dagger.connection(config(log)):
            yield


def config(log: TextIO | None) -> dagger.Config:
    """How to connect; the `dagger` on the PATH is used where it has the client's version."""
    import dagger
    from dagger import Retry

    if not is_given() and not os.environ.get(_CLI) and (found := _own_cli()):
        os.environ[_CLI] = found
    # a query that failed was seen by the engine: to ask again is the caller's affair
    return dagger.Config(log_output=log, retry=Retry(connect=True, execute=False))


def _own_cli() -> str | None:
    """The `dagger` on the PATH, if it speaks what dagger-io speaks; else that downloads its own."""
    from importlib.metadata import version

    found = process.which("dagger")
    if found is None:
        return None
    said = _VERSION.search(process.run([found, "version"], check=False).stdout)
    minor = ".".join(version("dagger-io").split(".")[:2])
    return found if said is not None and said[1] == minor else None


@contextlib.contextmanager
def _quiet(log: TextIO) -> Iterator[None]:
    """What the client's libraries log goes to the log, too: it is none of the user's affair."""
    import logging

    handler = logging.StreamHandler(log)
    names = ("dagger", "gql", "httpx", "asyncio")
    loggers = [logging.getLogger(name) for name in names]
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
        sys.stderr.flush()
