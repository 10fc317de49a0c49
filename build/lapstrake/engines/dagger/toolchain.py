"""Which image layers are built in: one that is named, or the family's own."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from lapstrake import process
from lapstrake.definition.repository import Repository
from lapstrake.engines.dagger.graph import Toolchain
from lapstrake.errors import UserError
from lapstrake.lock.model import Lock
from lapstrake.oci.archive import pack
from lapstrake.report.progress import Progress
from lapstrake.store.store import Store, writing

VARIABLE = "LAPSTRAKE_TOOLCHAIN"
IMAGE = "toolchain"

_PINNED = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")


class Toolchains:
    """Finds the toolchain of a repository.

    Args:
        repo: the definition.
        lock: its lock.
        env: where one may be named.
    """

    def __init__(self, repo: Repository, lock: Lock, env: Mapping[str, str] = os.environ) -> None:
        self._repo = repo
        self._lock = lock
        self._env = env

    def __call__(self, store: Store, progress: Progress, jobs: int) -> Toolchain:
        """The toolchain; the family's own image is built here where none is named.

        Raises:
            UserError: what is named isn't one, or there is none and none can be built here.
        """
        named = self._env.get(VARIABLE) or self._repo.family.dagger.toolchain
        if named:
            return self._named(named, store)
        if IMAGE not in self._repo.images or process.which("unshare") is None:
            raise UserError(
                "there is no toolchain to build layers in",
                f"set {VARIABLE}, or dagger.toolchain in lapstrake.yaml, to a reference with a "
                "digest or to an archive (docs/dagger.md)",
            )
        return self._own(store, progress, jobs)

    def _named(self, named: str, store: Store) -> Toolchain:
        if _PINNED.fullmatch(named):
            return Toolchain(reference=named)
        path = self._repo.root / Path(named).expanduser()
        if (path / "oci-layout").is_file():
            return Toolchain(archive=_archive(path, store))
        if path.is_file():
            return Toolchain(archive=path)
        raise UserError(
            f"the toolchain {named} is neither a reference with a digest nor an archive",
            f"{VARIABLE} or dagger.toolchain in lapstrake.yaml names it, "
            "as REGISTRY/NAME@sha256:… or as a file",
        )

    def _own(self, store: Store, progress: Progress, jobs: int) -> Toolchain:
        """The family's image, built by the local engine."""
        from lapstrake.build import build
        from lapstrake.engines.local.engine import LocalEngine
        from lapstrake.plan.make import make_plan

        plan = make_plan(self._repo, self._lock, [IMAGE])
        target = _place(store, plan.images[0].id)
        if not target.is_file():
            with store.scratch("toolchain") as work:
                build(plan, LocalEngine(), store, work / "layout", progress, jobs)
                _pack(work / "layout", work / "archive", target)
        return Toolchain(archive=target)


def _place(store: Store, name: str) -> Path:
    return store.root / "dagger" / f"toolchain-{name}.tar"


def _archive(layout: Path, store: Store) -> Path:
    """A layout as an archive; it is named by its index, so the same one is packed once."""
    import hashlib

    index = (layout / "index.json").read_bytes()
    target = _place(store, hashlib.sha256(index).hexdigest())
    if not target.is_file():
        with store.scratch("toolchain") as work:
            _pack(layout, work / "archive", target)
    return target


def _pack(layout: Path, staged: Path, target: Path) -> None:
    """Pack a layout; what was packed before goes."""
    with writing(target.parent):
        target.parent.mkdir(exist_ok=True)
        pack(layout, staged)
        # an engine that has seen it once goes by its name, size and time
        os.utime(staged, (0, 0))
        for old in target.parent.glob("toolchain-*.tar"):
            old.unlink(missing_ok=True)
        shutil.move(staged, target)
