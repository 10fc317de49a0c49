"""The toolchain of a repository, found when an engine asks for it and not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lapstrake.definition.repository import Repository
from lapstrake.lock.model import Lock
from lapstrake.report.progress import Progress
from lapstrake.store.store import Store

if TYPE_CHECKING:
    from lapstrake.engines.dagger.graph import Toolchain


def toolchains(repo: Repository, lock: Lock) -> Callable[[Store, Progress, int], Toolchain]:
    """What finds the toolchain of a repository."""

    def find(store: Store, progress: Progress, jobs: int) -> Toolchain:
        from lapstrake.engines.dagger.toolchain import Toolchains

        return Toolchains(repo, lock)(store, progress, jobs)

    return find
