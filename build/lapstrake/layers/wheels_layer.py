"""Locked wheels as one layer: their files, as they are compressed in the wheels, in an environment.

Nothing is unpacked to a disk and nothing compressed twice; each byte is checked on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from lapstrake.layers.bytecode import Compiled
from lapstrake.layers.cuda_links import is_part, links
from lapstrake.layers.estargz import Entry, LayerWriter
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.kinds import Wheels
from lapstrake.layers.parents import folders_above, parents_of
from lapstrake.layers.wheel import Placed, WheelFile
from lapstrake.layers.wheel_archive import Archive
from lapstrake.store.records import Blob

Plan = dict[str, tuple[Placed, WheelFile | Compiled]]


def write_wheels(
    layer: Wheels,
    paths: Mapping[str, Path],
    out: Path,
    tick: Callable[[int], None] | None = None,
    compiled: Mapping[str, Path] | None = None,
) -> Blob:
    """Write the layer of some wheels to `out`.

    Where two wheels bring a file of the same path, the last by name has it, as with pip.

    Args:
        layer: what to write.
        paths: the wheels' files by name; the files' own names stand in messages.
        out: the blob.
        tick: called with the number of compressed bytes just written.
        compiled: the wheels' compiled modules by name, as the cache keeps them.

    Raises:
        UserError: a wheel is corrupt, breaks the specification, or would leave the environment.
    """
    with ExitStack() as stack:
        plan = _plan(layer, paths, compiled or {}, stack)
        _check_folders(plan)
        linked = _links(layer, plan)
        folders = dict(parents_of([*plan, *linked]))
        with LayerWriter(out, tick) as writer:
            for path in sorted([*plan, *folders, *linked]):
                if path in folders:
                    writer.add(Entry(path, "dir", folders[path], FIXED_MTIME))
                elif path in linked:
                    writer.add(Entry(path, "symlink", 0o777, FIXED_MTIME, target=linked[path]))
                else:
                    _write(writer, *plan[path])
    return writer.blob


def _plan(
    layer: Wheels, paths: Mapping[str, Path], compiled: Mapping[str, Path], stack: ExitStack
) -> Plan:
    plan: Plan = {}
    for name in sorted(wheel.name for wheel in layer.wheels):
        archive = stack.enter_context(Archive(paths[name]))
        wheel = WheelFile(archive, name, layer.python)
        files = wheel.lay_out()
        if name in compiled:
            modules = Compiled(stack.enter_context(Archive(compiled[name])), wheel)
            _place(plan, modules.lay_out(), modules)
            files = {path: modules.stamped(placed) for path, placed in files.items()}
        _place(plan, files, wheel)
    return plan


def _links(layer: Wheels, plan: Plan) -> Mapping[str, str]:
    """The links from a CUDA toolkit's folder to what its wheels bring, where there is one."""
    if not layer.cuda:
        return {}
    wheels = {p: o for p, (_, o) in plan.items() if isinstance(o, WheelFile)}
    return links(layer.cuda, (p for p, owner in wheels.items() if is_part(owner.name)))


def _place(plan: Plan, files: Mapping[str, Placed], owner: WheelFile | Compiled) -> None:
    for path, placed in files.items():
        if path in plan:
            before, other = plan[path]
            other.drop(before)
        plan[path] = placed, owner


def _check_folders(plan: Plan) -> None:
    """A path can't be a file of one wheel and a folder of another (or of the same)."""
    folders = {folder for path in plan for folder in folders_above(path)}
    for path in sorted(folders & plan.keys()):
        wheel = plan[path][1].archive
        raise wheel.wrong(f"/{path} is a file in it and a folder elsewhere")


def _write(writer: LayerWriter, placed: Placed, wheel: WheelFile | Compiled) -> None:
    mode = 0o755 if placed.executable else 0o644
    entry = Entry(placed.path, "file", mode, placed.mtime, size=placed.size)
    member = placed.content
    if isinstance(member, bytes):
        writer.add(entry, member)
        return
    archive = wheel.archive
    origin = archive.origin(member, placed.sha256)
    if member.is_deflated:
        writer.add_deflated(entry, archive.packed(member), member.crc32, origin=origin)
    else:
        writer.add(entry, archive.content(member), origin=origin)
