"""What several subcommands do first: find the repository, its lock and the cache."""

from __future__ import annotations

from pathlib import Path

from lapstrake.definition.load import find_root, load
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.lock.check import stale
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME, Lock
from lapstrake.store.store import Store, default_root


def open_repository(directory: Path) -> Repository:
    """The repository that `directory` lies in.

    Raises:
        UserError: there is none, or its definition has problems.
    """
    if not directory.is_dir():
        raise UserError(f"{directory} is no folder")
    return load(find_root(directory))


def open_lock(repo: Repository) -> Lock:
    """The repository's lock.

    Raises:
        UserError: there is none, it can't be read, or the definition has moved on.
    """
    lock = read_lock(repo.root / LOCK_NAME)
    reasons = stale(repo, lock)
    if reasons:
        raise UserError(
            f"{LOCK_NAME} is stale: {reasons[0]}", "run `lapstrake lock`", tuple(reasons[1:])
        )
    return lock


def existing_store() -> Store | None:
    """The cache where there is one: a plan doesn't make it."""
    return Store() if default_root().is_dir() else None


def dist_folder(repo: Repository, out: str) -> Path:
    """`--out` or `--dist`: below the repository unless it is absolute."""
    return repo.root / out
