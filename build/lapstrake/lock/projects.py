"""The repository's own projects in a lock: what they ask for, and what builds them.

Their versions and files are not locked: they are as they are when they are built.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Literal

from lapstrake.definition.repository import Repository
from lapstrake.fetch.uv import Target, Uv
from lapstrake.lock.model import Lock, LockedProject, Resolution
from lapstrake.lock.reached import reached
from lapstrake.lock.wheels import Pins, lock_tools
from lapstrake.projects.model import Staged

# What builds them besides their backends: a front end, and what installs it.
_FRONT = ("build", "pip")


@contextlib.contextmanager
def staged_projects(repo: Repository) -> Iterator[dict[str, Staged]]:
    """Copies of all projects that images may need, by name, as long as the context lasts."""
    found = reached(repo)
    if not found:
        yield {}
        return
    from lapstrake.projects.family import stamped

    with stamped(repo, found) as copies:
        yield {copy.project.name: copy for copy in copies}


def local_constraints(staged: Mapping[str, Staged]) -> tuple[str, ...]:
    """What has a resolver take the projects from their copies, wherever they are required."""
    return tuple(f"{name} @ {copy.folder.as_uri()}" for name, copy in sorted(staged.items()))


class ProjectTools:
    """Settles what builds projects.

    Args:
        old: the lock so far, whose tools are kept where they can be.
        same: the names of projects whose inputs are as they were.
        upgrade: names of packages that are to move, or `all`.
        progress: told what goes on.
    """

    def __init__(
        self,
        old: Lock | None,
        same: Collection[str],
        upgrade: Collection[str] | Literal["all"],
        progress: Callable[[str], None],
    ) -> None:
        self._old = old.projects if old else {}
        self._same = same
        self._upgrade = upgrade
        self._progress = progress

    def of(self, copy: Staged, resolution: Resolution, platform: str) -> LockedProject:
        """The wheels that build a project, for the Python of one of its images.

        Raises:
            UserError: they can't be had, or the project's build system is broken.
        """
        name = copy.project.name
        before = self._old.get(name)
        if before is not None and name in self._same and not self._moves(before):
            return before
        self._progress(f"resolving what builds {name}")
        from lapstrake.projects.build import build_requirements

        wanted = sorted({*build_requirements(copy), *_FRONT})
        target = Target(resolution.python, resolution.glibc, platform)
        uv = Uv(target, copy.project.folder)
        pins = Pins.of(before.build if before else (), self._upgrade, same=True)
        hint = "check build-system.requires of its pyproject.toml"
        builds = copy.project.title
        return LockedProject(build=lock_tools(wanted, pins, uv, builds=builds, hint=hint))

    def _moves(self, before: LockedProject) -> bool:
        names = {w.name for w in before.build}
        return self._upgrade == "all" or bool(names & set(self._upgrade))
