"""Makes a small Debian package, with dpkg-deb itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lapstrake import process

CONTROL = """\
Package: planks
Version: 1.2-3
Architecture: all
Maintainer: Shipwright <wright@example.org>
Description: planks, one over the other
 Each holds the next.
"""


def deb(folder: Path, *options: str) -> Path:
    """A package with a file, a link and an odd number of bytes."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(CONTROL)
    (tree / "usr/share").mkdir(parents=True)
    (tree / "usr/share/planks").write_bytes(bytes(range(256)) * 9_001)
    (tree / "usr/share/first").symlink_to("planks")
    made = folder / "planks.deb"
    process.run(["dpkg-deb", "--root-owner-group", *options, "--build", tree, made])
    return made


def archive(members: Mapping[str, bytes]) -> bytes:
    """An ar archive, which a package is."""
    parts = [b"!<arch>\n"]
    for name, content in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
        parts += [header.encode(), content, b"\n" * (len(content) % 2)]
    return b"".join(parts)
