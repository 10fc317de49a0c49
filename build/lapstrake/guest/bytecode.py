"""Compiles modules; run by an image's own Python while its layers are built.

    bytecode.py JOBS FOLDER OUT

Each file of FOLDER is a pack of modules, which are compiled to a pack of the same name in OUT. A
pack is any number of: the length of a path, that of a content and a modification time (four bytes
each, big-endian), the path in the image, the content.

A `.pyc` file names its source by time and size, as pip's do: what is told of the module's time
here is what it has in the image. Each pack is compiled in a process of its own that nothing else
has run in: what `marshal` writes depends on who else in a process holds an equal string.

The standard library of Python 3.8 only, and of it what Debian's `-minimal` package has.
"""

from __future__ import annotations

import gc
import importlib.util
import marshal
import os
import sys
from struct import Struct

HEAD = Struct(">III")

# After the magic number: no flags (PEP 552), the source's time and size.
_TIME_AND_SIZE = Struct("<III")
_FAILURES = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


def read_pack(data: bytes) -> list[tuple[str, int, bytes]]:
    """The paths, times and contents of a pack."""
    found = []
    at = 0
    while at < len(data):
        path_size, size, mtime = HEAD.unpack_from(data, at)
        at += HEAD.size
        path = data[at : at + path_size].decode("utf-8", "surrogateescape")
        at += path_size
        found.append((path, mtime, data[at : at + size]))
        at += size
    return found


def packed(path: str, mtime: int, content: bytes) -> bytes:
    """One entry of a pack."""
    name = path.encode("utf-8", "surrogateescape")
    return HEAD.pack(len(name), len(content), mtime) + name + content


def compiled(source: bytes, mtime: int, path: str) -> bytes | None:
    """The `.pyc` of a module at an absolute path; None where it is no module of this Python."""
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        body = marshal.dumps(code)
    except _FAILURES:
        return None
    return importlib.util.MAGIC_NUMBER + _TIME_AND_SIZE.pack(0, mtime, len(source)) + body


def compile_pack(source: str, target: str) -> None:
    """Write the pack of what the modules of another are compiled to."""
    with open(source, "rb") as file:  # noqa: PTH123 - the smallest Pythons have no pathlib
        modules = read_pack(file.read())
    with open(target, "wb") as out:  # noqa: PTH123
        for path, mtime, content in modules:
            found = compiled(content, mtime, "/" + path)
            if found is not None:
                place = importlib.util.cache_from_source(path, optimization="")
                out.write(packed(place, mtime, found))


def _start(source: str, target: str) -> None:
    """A child that compiles one pack."""
    if os.fork():
        return
    code = 1
    try:
        compile_pack(source, target)
        code = 0
    except BaseException as error:
        os.write(2, f"{source}: {error!r}\n".encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _largest_first(folder: str) -> list[str]:
    """Lest the largest be alone at the end."""
    sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder)}
    return sorted(sizes, key=lambda name: (-sizes[name], name))


def main() -> int:
    """Compile all packs, several at a time; 1 where one failed."""
    gc.disable()  # hardly anything forms cycles here: as much memory, a twentieth less time
    jobs, folder, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    waiting = _largest_first(folder)
    running = 0
    failed = False
    while waiting or running:
        while waiting and running < jobs:
            name = waiting.pop(0)
            _start(folder + "/" + name, out + "/" + name)
            running += 1
        _, status = os.wait()
        running -= 1
        failed = failed or status != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
