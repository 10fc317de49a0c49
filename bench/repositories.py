"""Repositories that the benchmark builds: copies of this one with one thing changed."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import yaml

from bench.setting import IMAGES, TOP, lapstrake
from lapstrake import process
from lapstrake.definition.load import load
from lapstrake.definition.models import RootSpec
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.fetch.debs import fetch_debs
from lapstrake.lock.file import read_lock, write_lock
from lapstrake.lock.inputs import lock_inputs
from lapstrake.lock.model import LOCK_NAME, Deb, Lock, Wheel
from lapstrake.store.store import Store

_PARTS = ("images", "runtimes", "lapstrake.yaml", LOCK_NAME)


def copy_repository(into: Path) -> Path:
    """A copy of this repository's definition and lock, with the images `IMAGES` alone; `into`."""
    into.mkdir(parents=True)
    for name in _PARTS:
        source = TOP / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=_others)
        else:
            shutil.copy2(source, into / name)
    write_lock(into / LOCK_NAME, _reduced(load(into), read_lock(TOP / LOCK_NAME)))
    return into


def _others(folder: str, names: list[str]) -> set[str]:
    """The folders of images that aren't measured beside Docker's."""
    top = Path(folder) in (TOP / "images", TOP / "runtimes")
    return set(names) - set(IMAGES) if top else set()


def _reduced(repo: Repository, lock: Lock) -> Lock:
    """The lock of the images that are left, in the same versions."""
    family = lock.resolutions["family"]
    closures = {n: c for n, c in family.closures.items() if n in repo.images}
    united = {w for n, closure in closures.items() if n != "full" for w in closure}
    closures["full"] = tuple(w for w in closures["full"] if w in united)
    wheels = tuple(w for w in family.wheels if w.name in united)
    return lock.model_copy(
        update={
            "apt": {n: debs for n, debs in lock.apt.items() if n in repo.images},
            "resolutions": {
                "family": family.model_copy(update={"closures": closures, "wheels": wheels})
            },
            "projects": {},
            "images": {},
            "inputs": lock_inputs(repo),
        }
    )


def move_wheel(repository: Path, name: str, work: Path) -> tuple[str, str]:
    """Put another version of one package into the lock, and nothing else; both versions.

    Which one is found by locking a copy without the present one. What that moves besides (another
    version may have other dependencies) is left out: one wheel is what is to be measured.
    """
    scratch = copy_repository(work)
    old = _wheel(scratch, name)
    path = scratch / "lapstrake.yaml"
    family = yaml.safe_load(path.read_text())
    constraints = family.setdefault("python", {}).setdefault("constraints", [])
    constraints.append(f"{name}!={old.version}")
    path.write_text(yaml.safe_dump(family, sort_keys=False))
    lapstrake("lock", repository=scratch)
    new = _wheel(scratch, name)
    lock = read_lock(repository / LOCK_NAME)
    found = lock.resolutions["family"]
    wheels = tuple(new if w == old else w for w in found.wheels)
    resolutions = lock.resolutions | {"family": found.model_copy(update={"wheels": wheels})}
    write_lock(
        repository / LOCK_NAME,
        lock.model_copy(update={"resolutions": resolutions}),
    )
    return old.version, new.version


def _wheel(repository: Path, name: str) -> Wheel:
    return read_lock(repository / LOCK_NAME).resolutions["family"].wheel(name)


def update_deb(repository: Path, name: str, work: Path, store: Store) -> tuple[str, str]:
    """Lock one package of the root in a new version, which no mirror has; both versions.

    The new package is the old one with another version. It lies in `store` afterwards, together
    with the rest of the root's packages: mirrors are no part of what is measured.
    """
    _fetch_root(repository, store)
    lock = read_lock(repository / LOCK_NAME)
    old = next(d for d in lock.roots["base"] if d.name == name)
    made = _repack(store.deb(old.sha256), work)
    version = f"{old.version}+bench1"
    data = made.read_bytes()
    new = old.model_copy(
        update={
            "version": version,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
        }
    )
    store.deb(new.sha256).write_bytes(data)
    write_lock(repository / LOCK_NAME, _with(lock, old, new))
    return old.version, version


def _with(lock: Lock, old: Deb, new: Deb) -> Lock:
    roots = {k: tuple(new if d == old else d for d in v) for k, v in lock.roots.items()}
    return lock.model_copy(update={"roots": roots})


def _fetch_root(repository: Path, store: Store) -> None:
    root = load(repository).images["base"].spec.root or RootSpec()
    debs = read_lock(repository / LOCK_NAME).roots["base"]
    fetch_debs(debs, root.suite or "", root.components, store, lambda *_: None)


def _repack(deb: Path, work: Path) -> Path:
    tree, made = work / "tree", work / "new.deb"
    work.mkdir(parents=True)
    process.run(["dpkg-deb", "--raw-extract", deb, tree])
    control = tree / "DEBIAN/control"
    text, count = re.subn(r"(?m)^Version: .*$", r"\g<0>+bench1", control.read_text())
    if count != 1:
        raise UserError(f"{deb.name} has {count} versions in its control file")
    control.write_text(text)
    process.run(["dpkg-deb", "--root-owner-group", "--build", tree, made])
    return made
