"""The modules of wheels, compiled by the image's own Python: once for each wheel and Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lapstrake.engines.local import mounts, namespace
from lapstrake.engines.local.chroot import base_environment, root_arguments, root_of
from lapstrake.engines.local.interpreter import unpack_interpreter
from lapstrake.engines.local.settings import Settings
from lapstrake.engines.local.trees import lower_trees, unpacked_trees
from lapstrake.errors import UserError
from lapstrake.guest import bytecode as program
from lapstrake.layers.bytecode import write_compiled, write_sources
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.kinds import Interpreter
from lapstrake.store.records import Blob
from lapstrake.store.store import Store, writing

Json = dict[str, object]

_HINT = "is it in the image's root? `python.bytecode: false` in lapstrake.yaml does without"

# In the root, where /tmp is the job's alone.
_OUT = "/tmp/out"  # noqa: S108


@dataclass(frozen=True)
class Source:
    """A wheel to compile: its normalised name, its file, and the name of what is made of it."""

    name: str
    path: Path
    key: str


def compile_wheels(
    sources: Sequence[Source],
    interpreter: Interpreter,
    python: str,
    below: Sequence[Blob],
    store: Store,
    jobs: int,
) -> None:
    """Have the compiled modules of some wheels in the cache.

    Args:
        sources: the wheels.
        interpreter: what compiles them.
        python: its `3.x`.
        below: the blobs of its layers, as far as they are built: all, where the cache lacks its
            packages.
        store: keeps what is made.
        jobs: how many wheels at a time.

    Raises:
        UserError: a wheel may not be installed, or the compiler broke down.
    """
    wanted = {s.key: s for s in sources if not store.bytecode(s.key).is_file()}
    if not wanted:
        return
    with namespace.workspace(store, "bytecode") as work:
        for name in ("in", "out"):
            (work / name).mkdir()
        for key, source in wanted.items():
            write_sources(source.path, source.name, python, work / "in" / key)
        arguments = root_arguments(_lowers(interpreter, below, store, work), work, Settings())
        arguments |= {"python": interpreter.path, "jobs": jobs}
        namespace.perform("bytecode", arguments)
        for key in wanted:
            write_compiled(work / "out" / key, work / "kept")
            with writing(store.root):
                (work / "kept").replace(store.bytecode(key))


def _lowers(
    interpreter: Interpreter, below: Sequence[Blob], store: Store, work: Path
) -> list[Path]:
    """A root with the interpreter: its layers where they are unpacked, else its packages."""
    trees = unpacked_trees(below, store)
    if any(os.path.lexists(tree / interpreter.path.lstrip("/")) for tree in trees):
        return trees
    if unpack_interpreter(interpreter, store, work / "system"):
        return [work / "system"]
    return lower_trees(below, store)


def compile_inside(arguments: Json, _: object) -> Json:
    """The job `bytecode`: run the compiler over all packs."""
    work = Path(cast("str", arguments["work"]))
    root = root_of(arguments)
    mounts.leave_network()
    shown = root.show(work / "in", "modules")
    code = root.show(Path(program.__file__), "bytecode.py")
    out = root.temporary / Path(_OUT).name
    out.mkdir()
    jobs = str(cast("int", arguments["jobs"]))
    args = [cast("str", arguments["python"]), "-sS", "-Wignore", code, jobs, shown, _OUT]
    failure = "the image's Python can't compile its packages"
    root.run(args, base_environment(FIXED_MTIME), failure, _HINT)
    for pack in (work / "in").iterdir():
        made = out / pack.name
        # a link in its place could lead anywhere here
        if made.is_symlink() or not made.is_file():
            raise UserError("the image's Python has compiled only some of its packages")
        made.rename(work / "out" / pack.name)
    return {}
