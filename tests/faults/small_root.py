"""The small family's root: a shell and a Python of this machine, with just what they need."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from lapstrake import process
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.store.store import Store
from lapstrake_release.registry import Registry, Repository
from support.tinyimages import built, image

PYTHON = "/usr/bin/python3"

_PROGRAMS = ("/bin/sh", "/usr/bin/env", "/bin/cat", "/bin/sleep", PYTHON)

# What the program that compiles modules imports, and where from.
_IMPORTS = """
import __future__, importlib.util, json, marshal, os, struct, sys
files = {m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)}
print(json.dumps(["%d.%d" % sys.version_info[:2], os.path.dirname(os.__file__), sorted(files)]))
"""


@cache
def python_of_this_machine() -> tuple[str, Path, tuple[str, ...]]:
    """Debian's own Python: its `3.x`, its library's folder, and the files of a few modules."""
    said = process.run([PYTHON, "-sS", "-c", _IMPORTS]).stdout
    version, library, files = json.loads(said)
    return version, Path(library), tuple(files)


def push_root(folder: Path, registry: str) -> None:
    """Push the root as `root:1`."""
    store = Store(folder / "root-cache")
    layer = Files("root", tuple(sorted(_root_entries(_PROGRAMS), key=lambda e: e.path)))
    plan = image("root", "unused")
    plan = type(plan)(**{**plan.__dict__, "layers": (layer,)})
    found = built(folder / "root-dist", store, plan)
    target = Registry(Repository(registry, "root"))
    target.push(folder / "root-dist", found.images[0], "1")


def _root_entries(programs: Sequence[str]) -> Iterator[FileEntry]:
    libraries: set[str] = set()
    for program in programs:
        yield FileEntry.of(program, Path(program).read_bytes(), 0o755)
        libraries |= set(re.findall(r"(/lib\S+) \(0x", process.run(["ldd", program]).stdout))
    for library in sorted(libraries):
        yield FileEntry.of(library, Path(library).read_bytes(), 0o755)
    for file in python_of_this_machine()[2]:
        yield FileEntry.of(file, Path(file).read_bytes())
    for name in ("/etc", "/tmp", "/srv"):
        yield FileEntry(name, 0o755, "dir")
