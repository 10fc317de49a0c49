"""An image layout as one file: what is loaded where no folder can be."""

from __future__ import annotations

import tarfile
from pathlib import Path

from lapstrake.oci.layout import LAYOUT_FILES


def pack(layout: Path, archive: Path) -> None:
    """Pack a layout as a tar: the same layout is always the same bytes."""
    with tarfile.open(archive, "w") as tar:
        for name in LAYOUT_FILES:
            tar.add(layout / name, name, filter=_plain)
        for path in sorted((layout / "blobs/sha256").iterdir()):
            tar.add(path, f"blobs/sha256/{path.name}", filter=_plain)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o644
    return info
