"""An image's Python before there is the image: enough of its packages to compile modules with.

Wheels depend on nothing below them, and are not to wait for the root that they will lie over. Its
locked packages are here long before it is bootstrapped; unpacked, a handful of them is a Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from lapstrake import process
from lapstrake.engines.local.inflated import packages
from lapstrake.layers.kinds import Bootstrap, Interpreter, Run
from lapstrake.lock.model import Deb
from lapstrake.store.store import Store


def debs_of(interpreter: Interpreter) -> tuple[Deb, ...] | None:
    """All packages that the interpreter's are among; None where some come in a pulled image."""
    found: list[Deb] = []
    for layer in interpreter.layers:
        if not isinstance(layer, Bootstrap | Run):
            return None
        found += layer.debs
    return tuple(found)


def unpack_interpreter(interpreter: Interpreter, store: Store, into: Path) -> bool:
    """Unpack the interpreter's packages, and those that they need, as a root.

    Returns:
        whether the cache has them all; else nothing was unpacked.

    Raises:
        UserError: a package isn't what it was when it came into the cache.
    """
    debs = debs_of(interpreter)
    if debs is None or not all(store.deb(deb.sha256).is_file() for deb in debs):
        return False
    into.mkdir()
    needed = _closure(f"{Path(interpreter.path).name}-minimal", debs, store)
    files = {deb.filename: store.deb(deb.sha256) for deb in needed}
    for deb, package in zip(needed, packages(needed, files, store), strict=True):
        process.run(
            ["dpkg-deb", "--extract", package.path, into],
            failure=f"{deb.filename} can't be unpacked",
        )
    return True


def _closure(name: str, debs: Iterable[Deb], store: Store) -> list[Deb]:
    """A package and all that it depends on, as far as it is locked; by name."""
    by_name: Mapping[str, Deb] = {deb.name: deb for deb in debs}
    found: dict[str, Deb] = {}
    waiting = [name]
    while waiting:
        deb = by_name.get(waiting.pop())
        if deb is not None and deb.name not in found:
            found[deb.name] = deb
            waiting += _dependencies(store.deb(deb.sha256))
    return [found[name] for name in sorted(found)]


def _dependencies(deb: Path) -> list[str]:
    args = ["dpkg-deb", "--show", "--showformat=${Depends},${Pre-Depends}"]
    said = process.run([*args, deb], failure=f"{deb} can't be read").stdout
    return re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]*)", said)
