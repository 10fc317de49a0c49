"""`lapstrake lock`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lapstrake.cli.common import open_repository
from lapstrake.errors import UserError
from lapstrake.lock.check import stale
from lapstrake.lock.make import make_lock, read_lock, write_lock
from lapstrake.lock.model import LOCK_NAME, Lock
from lapstrake.report import console
from lapstrake.store.sweep import sweep_temporaries


@click.command("lock")
@click.option("--check", is_flag=True, help="Change nothing; fail where the lock is stale.")
@click.option("--upgrade", "-U", multiple=True, metavar="NAME", help="Move one package.")
@click.option("--upgrade-all", is_flag=True, help="Move every Python package.")
@click.option("--upgrade-os", is_flag=True, help="Move the Debian packages and base images.")
@click.option("--snapshot", metavar="URL", help="Take Debian packages from a snapshot mirror.")
@click.option("--json", "as_json", is_flag=True, help="Print what moved as JSON.")
@click.pass_obj
def command(
    directory: Path,
    check: bool,
    upgrade: tuple[str, ...],
    upgrade_all: bool,
    upgrade_os: bool,
    snapshot: str | None,
    as_json: bool,
) -> None:
    """Choose versions once for the whole family, and write lapstrake.lock.

    What is locked already and still fits stays as it is.
    """
    repo = open_repository(directory)
    path = repo.root / LOCK_NAME
    if check:
        reasons = stale(repo, read_lock(path))
        if reasons:
            raise UserError(
                f"{LOCK_NAME} is stale: {reasons[0]}", "run `lapstrake lock`", tuple(reasons[1:])
            )
        console.say(f"{LOCK_NAME} is up to date")
        return
    sweep_temporaries()
    old = read_lock(path) if path.exists() else None
    lock = make_lock(
        repo,
        old,
        upgrade="all" if upgrade_all else set(upgrade),
        upgrade_os=upgrade_os,
        snapshot=snapshot or os.environ.get("LAPSTRAKE_SNAPSHOT"),
        progress=console.note,
    )
    write_lock(path, lock)
    moved = _moved(old, lock)
    if as_json:
        console.say_json({k: {"from": was, "to": now} for k, (was, now) in moved.items()})
    else:
        _summary(lock, moved if old else {})


def _moved(old: Lock | None, new: Lock) -> dict[str, tuple[str | None, str | None]]:
    """Old and new version of what isn't as it was, by name; None where there is none."""
    before, after = (_versions(old) if old else {}), _versions(new)
    both = {k: (before.get(k), after.get(k)) for k in sorted(before.keys() | after.keys())}
    return {k: (was, now) for k, (was, now) in both.items() if was != now}


def _summary(new: Lock, moved: dict[str, tuple[str | None, str | None]]) -> None:
    for key, (was, now) in moved.items():
        console.say(f"{key}  {was or '(new)'} → {now or '(gone)'}")
    debs = {d.sha256 for part in (new.roots, new.apt) for debs in part.values() for d in debs}
    wheels = {w.sha256 for r in new.resolutions.values() for w in r.wheels}
    console.say(f"{LOCK_NAME}: {len(wheels)} wheels, {len(debs)} Debian packages")


def _versions(lock: Lock) -> dict[str, str]:
    found = {
        f"{name}/{w.name}" if name != "family" else w.name: w.version
        for name, r in lock.resolutions.items()
        for w in r.wheels
    }
    for part in (lock.roots, lock.apt):
        found |= {f"deb {d.name}": d.version for debs in part.values() for d in debs}
    return found | {f"image {k}": v for k, v in lock.images.items()}
