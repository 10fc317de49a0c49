"""Making the lock: what is the same as before is kept, the rest is settled anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from functools import cache
from typing import Literal

from packaging.utils import canonicalize_name

from lapstrake.definition.repository import ImageDef, Repository
from lapstrake.errors import UserError
from lapstrake.fetch.uv import Uv
from lapstrake.lock.demand import Demand, demands
from lapstrake.lock.file import read_lock, write_lock
from lapstrake.lock.images import lock_images
from lapstrake.lock.inputs import lock_inputs
from lapstrake.lock.model import Lock, LockedProject, Resolution
from lapstrake.lock.os import OsPackages, lock_os
from lapstrake.lock.projects import ProjectTools, local_constraints, staged_projects
from lapstrake.lock.pulled import System, read_system
from lapstrake.lock.target import target_of
from lapstrake.lock.wheels import Upgrade, resolve
from lapstrake.projects.model import Staged

__all__ = ["make_lock", "read_lock", "write_lock"]


def make_lock(
    repo: Repository,
    old: Lock | None,
    *,
    upgrade: set[str] | Literal["all"] | None = None,
    upgrade_os: bool = False,
    snapshot: str | None = None,
    progress: Callable[[str], None],
) -> Lock:
    """Settle versions and hashes of all that the definition asks for.

    Args:
        repo: the definition.
        old: the lock so far; parts whose inputs are the same are kept without any network, and
            of the others every version that still satisfies.
        upgrade: Python packages that move to the newest version that satisfies, or `all`.
        upgrade_os: choose Debian packages and images' digests anew.
        snapshot: the URL of a snapshot mirror for Debian packages.
        progress: told what goes on, a line at a time.

    Raises:
        UserError: something can't be satisfied (naming file and line), or can't be reached.
    """
    platform = repo.family.platform
    old = old if old is not None and old.platform == platform else None
    anew = upgrade_os or snapshot is not None
    images = lock_images(repo, old.images if old else {}, upgrade=upgrade_os, progress=progress)

    @cache
    def system(reference: str) -> System:
        progress(f"reading what {reference} has installed")
        return read_system(reference, images[reference], platform)

    def system_of(image: ImageDef) -> System:
        return system((image.spec.root.image if image.spec.root else None) or "")

    packages = lock_os(repo, old, system_of, upgrade=anew, snapshot=snapshot, progress=progress)
    names = _normal(upgrade or set())
    with staged_projects(repo) as staged:
        resolutions = _resolutions(repo, old, packages, names, staged, progress)
        projects = _projects(repo, old, resolutions, names, staged, progress)
    _check_upgraded(names, resolutions, projects)
    return Lock(
        platform=platform,
        epoch=_epoch(old, packages),
        roots=dict(sorted(packages.roots.items())),
        apt=dict(sorted(packages.apt.items())),
        images=images,
        resolutions=resolutions,
        projects=projects,
        inputs=lock_inputs(repo),
    )


def _epoch(old: Lock | None, packages: OsPackages) -> int:
    """Midnight of the day on which the OS packages were chosen; $SOURCE_DATE_EPOCH before it."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        if not given.isascii() or not given.isdigit():
            raise UserError(
                f"SOURCE_DATE_EPOCH is {given!r}, which is no number of seconds since 1970"
            )
        return int(given)
    if old is not None and not packages.chosen:
        return old.epoch
    today = datetime.combine(datetime.now(UTC).date(), time(), UTC)
    return int(today.timestamp())


def _resolutions(
    repo: Repository,
    old: Lock | None,
    packages: OsPackages,
    upgrade: Upgrade,
    staged: Mapping[str, Staged],
    progress: Callable[[str], None],
) -> dict[str, Resolution]:
    local = local_constraints(staged)
    asked = [replace(demand, local=local) for demand in demands(repo)]
    return {d.name: _resolution(d, old, packages, upgrade, progress) for d in asked}


def _projects(
    repo: Repository,
    old: Lock | None,
    resolutions: Mapping[str, Resolution],
    upgrade: Upgrade,
    staged: Mapping[str, Staged],
    progress: Callable[[str], None],
) -> dict[str, LockedProject]:
    """What builds the projects that some image has, each once for the whole family."""
    wanted = lock_inputs(repo)
    keys = {name: f"project {name}" for name in staged}
    same = {n for n, key in keys.items() if old and old.inputs.get(key) == wanted.get(key)}
    tools = ProjectTools(old, same, upgrade, progress)
    found: dict[str, LockedProject] = {}
    for resolution in resolutions.values():
        having = {name for closure in resolution.closures.values() for name in closure}
        for name in sorted(having & staged.keys() - found.keys()):
            found[name] = tools.of(staged[name], resolution, repo.family.platform)
    return dict(sorted(found.items()))


def _normal(upgrade: Upgrade) -> Upgrade:
    return "all" if upgrade == "all" else {str(canonicalize_name(n)) for n in upgrade}


def _check_upgraded(
    upgrade: Upgrade,
    resolutions: Mapping[str, Resolution],
    projects: Mapping[str, LockedProject],
) -> None:
    if upgrade == "all":
        return
    having = {w.name for r in resolutions.values() for w in (*r.wheels, *r.build)}
    having |= {w.name for p in projects.values() for w in p.build}
    if unknown := sorted(set(upgrade) - having):
        raise UserError(
            f"no image needs {', '.join(unknown)}", "--upgrade takes names of locked packages"
        )


def _resolution(
    demand: Demand,
    old: Lock | None,
    packages: OsPackages,
    upgrade: Upgrade,
    progress: Callable[[str], None],
) -> Resolution:
    before = old.resolutions.get(demand.name) if old else None
    target = target_of(demand, packages)
    if old is not None and before is not None and _is_same(demand, old):
        same_target = (before.python, before.glibc) == (target.minor, target.glibc)
        named = {w.name for w in (*before.wheels, *before.build)}
        if same_target and upgrade != "all" and not set(upgrade) & named:
            return before
    uv = Uv(target, demand.repo.root)
    return resolve(demand, before, upgrade, uv, progress)


def _is_same(demand: Demand, old: Lock) -> bool:
    """Whether a resolution was made from the same inputs."""
    wanted = lock_inputs(demand.repo)
    keys = ["python", *(f"wheels {name}" for name in demand.images)]
    keys += [f"wheels {n}" for m in demand.images for n in demand.repo.united(m)]
    keys += [k for k in {*wanted, *old.inputs} if k.startswith("project ")]
    members = [n for n in demand.repo.images if demand.repo.resolution(n) == demand.name]
    before = {
        key.partition(" ")[2]
        for key, part in old.inputs.items()
        if key.startswith("wheels ") and part.get("resolution") == demand.name
    }
    return set(members) == before and all(old.inputs.get(k) == wanted[k] for k in keys)
