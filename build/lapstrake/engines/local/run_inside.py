"""The job that installs packages and runs commands in a root, and writes what they changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import cast

from lapstrake.engines.local.chroot import Root, base_environment, root_of
from lapstrake.engines.local.leaks import check_leaks
from lapstrake.layers.from_tree import write_diff

Json = dict[str, object]
Tick = Callable[[int], None]

_TITLE_LENGTH = 60

# Just the files given: no list of packages is read, none is fetched, nobody is asked.
_INSTALL = (
    "apt-get",
    "install",
    "--yes",
    "--no-install-recommends",
    "--allow-downgrades",
    "-oAPT::Sandbox::User=root",
    "-oDir::Etc::SourceList=/dev/null",
    "-oDir::Etc::SourceParts=/dev/null",
    "-oDpkg::Use-Pty=0",
    "-oDpkg::Options::=--force-confdef",
    "-oDpkg::Options::=--force-confold",
    "-oDpkg::Options::=--force-unsafe-io",
)


def run_inside(arguments: Json, tick: Tick) -> Json:
    """The job `run`: make the root, install, run, and write what changed as a layer."""
    work = Path(cast("str", arguments["work"]))
    epoch = cast("int", arguments["epoch"])
    root = root_of(arguments)
    _install(root, work / "packages", epoch)
    env = base_environment(epoch) | cast("dict[str, str]", arguments["env"])
    for script in cast("list[str]", arguments["scripts"]):
        root.run(["/bin/sh", "-e", "-c", script], env, f"a command failed: {_title(script)}")
    changed = root.finish()
    check_leaks(changed, cast("dict[str, dict[str, str]]", arguments["settings"])["env"])
    blob = write_diff(changed, work / "layer", epoch, tick, is_below=root.is_below)
    return asdict(blob)


def _install(root: Root, folder: Path, epoch: int) -> None:
    names = sorted(os.listdir(folder))  # noqa: PTH208
    if not names:
        return
    shown = root.show(folder, "packages")
    files = [f"{shown}/{name}" for name in names]
    root.run([*_INSTALL, *files], base_environment(epoch), "apt-get failed")


def _title(script: str) -> str:
    """The first line of a script, for an error's one line."""
    line = next((line.strip() for line in script.splitlines() if line.strip()), "")
    return line if len(line) <= _TITLE_LENGTH else f"{line[: _TITLE_LENGTH - 1]}…"
