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


@click.command("lock")
@click.option("--check", is_flag=True, help="Change nothing; fail where the lock is stale.")
@click.option("--upgrade", "-U", multiple=True, metavar="NAME", help="Move one package.")
@click.option("--upgrade-all", is_flag=True, help="Move every Python package.")
@click.option("--upgrade-os", is_flag=True, help="Move the Debian packages and base images.")
@click.option("--snapshot", metavar="URL", help="Take Debian packages from a snapshot mirror.")
@click.pass_obj
def command(
    directory: Path,
    check: bool,
    upgrade: tuple[str, ...],
    upgrade_all: bool,
    upgrade_os: bool,
    snapshot: str | None,
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
    _summary(old, lock)


def _summary(old: Lock | None, new: Lock) -> None:
    before, after = (_versions(old) if old else {}), _versions(new)
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if old is not None and was != now:
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
