"""The context of the Docker builds: the same versions and the same files as Lapstrake's images."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from bench.setting import IMAGES, TOP
from lapstrake.definition.load import load
from lapstrake.errors import UserError
from lapstrake.guest.system import SBOM
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME, Lock, Wheel
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan


def write_context(repository: Path, variant: str, into: Path) -> None:
    """Write the whole context for one variant, `pip` or `uv`; what lies in `into` is replaced."""
    if into.exists():
        shutil.rmtree(into)
    shutil.copytree(TOP / "bench/docker" / variant, into)
    lock = read_lock(repository / LOCK_NAME)
    write_requirements(lock, into / "requirements")
    plan = make_plan(load(repository), lock)
    for name in ("base", "slim"):
        write_rootfs(plan, name, into / "rootfs" / name)
    (into / "tools").mkdir()
    _tool(variant, into / "tools")


def write_requirements(lock: Lock, into: Path) -> None:
    """One file for each image with Python: what it adds to the image that it stands on."""
    into.mkdir(parents=True)
    family = lock.resolutions["family"]
    below = set(family.closures["slim"])
    for name in IMAGES[1:]:
        own = set(family.closures[name]) - (below if name != "slim" else set())
        wheels = [w for w in family.wheels if w.name in own]
        (into / f"{name}.txt").write_text(requirements(wheels))


def requirements(wheels: Iterable[Wheel]) -> str:
    """Wheels as pip and uv take them, each with the hash of the very file."""
    return "".join(f"{w.name}=={w.version} --hash=sha256:{w.sha256}\n" for w in wheels)


def write_rootfs(plan: Plan, name: str, into: Path) -> None:
    """The files that Lapstrake adds to an image on its own: boot, services, sshd's settings."""
    system = plan.image(name).layers[-1]
    if not isinstance(system, Files):
        msg = f"the top of {name} is of the kind {system.kind}"
        raise TypeError(msg)
    for entry in system.entries:
        if entry.path != SBOM:
            _write_entry(entry, into / entry.path.lstrip("/"))


def _write_entry(entry: FileEntry, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.type == "dir":
        path.mkdir(exist_ok=True)
    elif entry.type == "symlink":
        path.symlink_to(entry.target)
    else:
        path.write_bytes(entry.data or b"")
        path.chmod(entry.mode)


def _tool(variant: str, into: Path) -> None:
    """Pip as a package, or uv as a program: what installs, mounted and never part of an image."""
    if variant == "uv":
        shutil.copy2(TOP / ".venv/bin/uv", into / "uv")
        return
    spec = find_spec("pip")
    if spec is None or spec.origin is None:
        raise UserError("there is no pip in .venv", "make setup")
    shutil.copytree(Path(spec.origin).parent, into / "pip")
