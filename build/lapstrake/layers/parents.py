"""The folders above what a layer brings.

A layer names its parent folders: unpackers otherwise invent their modes, each in its own way. But
what it names replaces what the layers below said, so the few folders of a Debian root whose modes
are not 0755 must be named as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

DEFAULT_MODE = 0o755

# Folders owned by root (0:0) whose modes a layer must not disturb.
MODES = {
    "root": 0o700,
    "run/lock": 0o1777,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
}


def mode_of(folder: str) -> int:
    """The mode of a folder (relative to the image's root, `var/tmp`) that nobody described."""
    return MODES.get(folder, DEFAULT_MODE)


def folders_above(name: str) -> Iterator[str]:
    """The folders that `name` lies in, from the innermost outwards, without the root."""
    while name := name.rpartition("/")[0]:
        yield name


def parents_of(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """All folders above `names`, as (name, mode), sorted by name.

    Names are relative to the image's root (`opt/venv/bin/python`). A folder that is itself one of
    `names` is left out, as whoever named it has described it; so is the root.
    """
    named = set(names)
    found = {folder for name in named for folder in folders_above(name)}
    return tuple((folder, mode_of(folder)) for folder in sorted(found - named))
