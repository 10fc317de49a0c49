"""Which engine builds: the one that is asked for, else the one that fits where we run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Literal

from lapstrake.definition.repository import Repository
from lapstrake.engines.model import Engine
from lapstrake.errors import UserError
from lapstrake.lock.model import Lock

VARIABLE = "LAPSTRAKE_ENGINE"
Name = Literal["local", "dagger"]
NAMES: tuple[Name, ...] = ("local", "dagger")


def chosen_engine(
    asked: str | None, env: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> Name:
    """The name of the engine to use.

    Args:
        asked: what the command line names.
        env: $LAPSTRAKE_ENGINE, then $DAGGER_SESSION_PORT: a session that we run in is used.
        platform: as Python calls it: what isn't Linux has no local engine.

    Raises:
        UserError: the variable names no engine.
    """
    named = asked or env.get(VARIABLE)
    for name in NAMES:
        if named == name:
            return name
    if named:
        raise UserError(f"{VARIABLE} is {named!r}, which is no engine", "it is local or dagger")
    return "dagger" if env.get("DAGGER_SESSION_PORT") or platform != "linux" else "local"


def open_engine(name: Name, repo: Repository, lock: Lock) -> Engine:
    """The engine of that name for a repository."""
    if name == "local":
        from lapstrake.engines.local.engine import LocalEngine

        return LocalEngine()
    from lapstrake.engines.dagger.engine import DaggerEngine
    from lapstrake.engines.dagger.lazily import toolchains

    return DaggerEngine(toolchains(repo, lock), repo.family.dagger.fetch)
