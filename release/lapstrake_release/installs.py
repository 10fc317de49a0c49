"""Every wheel in an environment of its own, as whoever downloads it would install it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import uv

from lapstrake import process
from lapstrake.fetch.indexes import read_indexes
from lapstrake.store.scratch import temporary_folder


def check_installs(wheels: Sequence[Path], siblings: Sequence[Path]) -> None:
    """Install each wheel in a clean environment, and see that what it asks for can be had.

    What it needs is resolved, but not downloaded: the images have been tested with it.

    Args:
        wheels: which.
        siblings: wheels of the same release, which no index has yet.

    Raises:
        UserError: one can't be installed; it says why in uv's words.
    """
    indexes = read_indexes()
    links = [word for s in sorted({p.parent for p in siblings}) for word in ("--find-links", s)]
    for wheel in wheels:
        with temporary_folder("install") as folder:
            env = {**indexes.env, "VIRTUAL_ENV": str(folder / "env")}
            tool = uv.find_uv_bin()
            python = ["--python", sys.executable]
            process.run([tool, "venv", "-q", "--no-config", *python, folder / "env"], env=env)
            install = [tool, "pip", "install", "-q", *indexes.args, *links]
            more = {"env": env, "failure": f"{wheel.name} can't be installed"}
            process.run([*install, "--no-deps", wheel], **more)  # type: ignore[arg-type]
            process.run([*install, "--dry-run", wheel], **more)  # type: ignore[arg-type]
