"""A bootstrapped root filesystem, as mmdebstrap's tar has it, to a layer."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from lapstrake.errors import UserError
from lapstrake.layers.estargz import LayerWriter
from lapstrake.layers.noise import is_root_noise
from lapstrake.layers.tarread import Member, read_members
from lapstrake.store.records import Blob

# systemd gives a machine its identity at first boot where it finds this file empty.
_EMPTIED = "etc/machine-id"


def write_rootfs(
    tar: BinaryIO, out: Path, epoch: int, tick: Callable[[int], None] | None = None
) -> Blob:
    """Write the layer of a root filesystem.

    What differs between two runs or belongs to the builder is left out (see `noise`); all else
    stays as it is and in its order, with modification times after `epoch` set to it.

    Args:
        tar: a tar whose entries are sorted by name, read to its end.
        out: the blob's file.
        epoch: seconds since 1970.
        tick: called with the number of compressed bytes just written.

    Raises:
        UserError: the tar is empty, or ends within a file.
    """
    try:
        with LayerWriter(out, tick) as layer:
            for member in read_members(tar):
                _add(layer, member, epoch)
    except tarfile.TarError as error:
        raise UserError(f"the root filesystem's tar is damaged: {error}") from error
    return layer.blob


def _add(layer: LayerWriter, member: Member, epoch: int) -> None:
    entry = replace(member.entry, mtime=min(member.entry.mtime, epoch))
    if entry.name == _EMPTIED:
        layer.add(replace(entry, type="file", size=0, target="", mode=0o644), b"")
    elif not is_root_noise(entry.name, folder=entry.type == "dir"):
        layer.add(entry, member.content)
