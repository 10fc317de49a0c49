"""The projects of a family, stamped with its version."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from lapstrake.definition.repository import Repository
from lapstrake.projects.model import Staged
from lapstrake.projects.stamp import stamp
from lapstrake.store.scratch import temporary_folder
from lapstrake.version import Version


@contextlib.contextmanager
def stamped(repo: Repository, names: Iterable[str]) -> Iterator[tuple[Staged, ...]]:
    """Copies of some projects with the family's version, as long as the context lasts.

    What they require of each other is bounded as `release.python.bound` says.

    Raises:
        UserError: a project can't be copied, or is nothing that a version can be stamped into.
    """
    version = Version.parse(repo.family.version)
    bound = repo.family.release.python.bound
    with temporary_folder("projects") as folder:
        yield tuple(
            stamp(repo.projects.get(n), version, folder / n, family=repo.projects, bound=bound)
            for n in names
        )
