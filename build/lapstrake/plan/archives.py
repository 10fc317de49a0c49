"""The source archives of the repository's own projects, with the version that is being built.

Their bytes depend on the files that git knows, on the version, and on nothing else: not on the
time, the machine or the place of the checkout.
"""

from __future__ import annotations

import hashlib

from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.lock.model import Lock, Wheel
from lapstrake.plan.model import Archive


def own_archives(repo: Repository, lock: Lock) -> tuple[Archive, ...]:
    """An archive of each project that some locked image has, by name.

    Raises:
        UserError: a project is gone, or can't be copied out of its checkout.
    """
    if not lock.projects:
        return ()
    # most families have none, and a plan is made in less time than these are imported
    from lapstrake.projects.archive import source_archive
    from lapstrake.projects.family import stamped

    if gone := sorted(lock.projects.keys() - repo.projects.names):
        raise UserError(f"there is no project {gone[0]} any more", "run `lapstrake lock`")
    found = []
    with stamped(repo, sorted(lock.projects)) as copies:
        for copy in copies:
            data = source_archive(copy)
            wheel = Wheel(
                name=copy.project.name,
                version=copy.version.pep440,
                filename=f"{copy.stem}.tar.gz",
                sha256=hashlib.sha256(data).hexdigest(),
                size=len(data),
            )
            found.append(Archive(wheel, data))
    return tuple(found)
