"""Which images a git diff touches, by what they would be made of: not by guessing from paths.

The definition as it was is read from git into a temporary folder and planned; an image is touched
where its id differs, where it is new, or where its folder's other files (smoke checks) differ.
"""

from __future__ import annotations

from pathlib import Path

from lapstrake import process
from lapstrake.definition.load import load
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan
from lapstrake.store.scratch import temporary_folder


def changed_images(repo: Repository, plan: Plan, base: str) -> tuple[str, ...]:
    """The names of the plan's images that differ from those at the git revision `base`.

    Raises:
        UserError: `base` is no revision, or this is no git checkout.
    """
    with temporary_folder("changed") as folder:
        old_root = _checkout(repo.root, base, Path(folder))
        before = _ids(old_root)
    touched = _touched_folders(repo, base)
    return tuple(i.name for i in plan.images if before.get(i.name) != i.id or i.name in touched)


def _ids(root: Path) -> dict[str, str]:
    """Image ids at the old revision; none where its definition or lock can't be read."""
    try:
        old = load(root)
        plan = make_plan(old, read_lock(root / LOCK_NAME))
    except UserError:
        return {}
    return {i.name: i.id for i in plan.images}


def _checkout(root: Path, base: str, into: Path) -> Path:
    """The files of a revision, in a folder; what comes back is the repository's root in it."""
    _git(root, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")
    prefix = _git(root, "rev-parse", "--show-prefix").strip()
    with process.spawn(
        ["git", "-C", root, "archive", "--format=tar", f"{base}:{prefix}"], stdout=-1
    ) as child:
        data, _ = child.communicate()
    if child.returncode == 0:
        process.run(["tar", "-x", "-C", into], stdin=data)
        # git says which files belong to a Python project
        process.run(["git", "init", "-q", into])
    return into


def _touched_folders(repo: Repository, base: str) -> set[str]:
    """Images in whose folder, or in whose ancestors' and united runtimes', a file differs."""
    names = _git(repo.root, "diff", "--name-only", "--relative", "-z", base, "--")
    paths = [repo.root / n for n in names.split("\0") if n]
    direct = {
        i.name
        for i in repo.images.values()
        if any(p.is_relative_to(i.folder / "smoke") for p in paths)
    }
    return {
        n for n in repo.images if direct & {*(p.name for p in repo.ancestry(n)), *repo.united(n)}
    }


def _git(root: Path, *args: str) -> str:
    result = process.run(["git", "-C", root, *args], check=False)
    if result.code == 0:
        return result.stdout
    if "not a git repository" in result.stderr:
        raise UserError(f"{root} is no git checkout", "--changed compares with a git revision")
    raise UserError(
        f"git knows no revision {args[-1].removesuffix('^{commit}')!r}", "", result.tail
    )
