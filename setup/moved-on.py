"""Exit with 0 where the Debian mirrors no longer have what lapstrake.lock names, 1 otherwise.

What they do have is fetched on the way, as a build would.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lapstrake.definition.load import load
from lapstrake.errors import UserError
from lapstrake.fetch.debs import MovedOn, fetch_debs
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME
from lapstrake.store.store import Store


def main(top: Path) -> int:
    """The exit code, for the repository in `top`."""
    repo = load(top)
    lock = read_lock(top / LOCK_NAME)
    store = Store()
    try:
        for name, debs in (*lock.roots.items(), *lock.apt.items()):
            root = repo.ancestry(name)[0].spec.root
            fetch_debs(debs, "", root.components if root else [], store, lambda *_: None)
    except MovedOn:
        return 0
    except UserError:
        return 1  # the build has said so
    return 1


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
