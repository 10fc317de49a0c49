"""A bootstrapped root filesystem, as mmdebstrap's tar has it, to layers."""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from lapstrake.errors import UserError
from lapstrake.layers import keystore
from lapstrake.layers.estargz import LayerWriter
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.noise import is_root_noise
from lapstrake.layers.parents import folders_above
from lapstrake.layers.root_split import Split
from lapstrake.layers.tarheader import Entry
from lapstrake.layers.tarread import read_members
from lapstrake.store.records import Blob

# systemd gives a machine its identity at first boot where it finds this file empty.
_EMPTIED = "etc/machine-id"


@dataclass(frozen=True)
class Times:
    """Which times mean nothing, in seconds since 1970.

    Attributes:
        epoch: no time in a layer is later.
        made: from when to when the root was made, by the clock that its files' times are from
            (which may be wrong). What has a time of then was made or changed in the making.
    """

    epoch: int
    made: tuple[int, int] = (0, -1)

    def of(self, entry: Entry, instead: int) -> int:
        """An entry's own time, or `instead` where it has none."""
        began, ended = self.made
        is_made = began <= entry.mtime <= ended or entry.mtime >= self.epoch
        return instead if is_made else entry.mtime


def write_rootfs(
    tar: BinaryIO,
    out: Path,
    times: Times,
    split: Split,
    tick: Callable[[int], None] | None = None,
) -> tuple[tuple[Path, Blob], ...]:
    """Write the layers of a root filesystem, all of them while the tar is read once.

    What differs between two runs or belongs to the builder is left out (see `noise`); all else
    lies in one blob each, and stays as it is and in its order. Each blob names the folders that
    its entries lie in. What was made or changed in the making has the epoch as its time in the
    topmost blob, and a fixed one in the others, as folders have everywhere: when the epoch moves
    along with some packages, the other packages' blobs stay as they are.

    Args:
        tar: a tar whose entries are sorted by name, read to its end.
        out: the folder for the blobs' files.
        times: which of its times count.
        split: in which blob what lies.
        tick: called with the number of compressed bytes just written.

    Returns:
        each blob and where it lies, from the bottom up; none that has no entry.

    Raises:
        UserError: the tar is empty, or ends within a file.
    """
    with contextlib.ExitStack() as stack:
        root = _Root(stack, out, times, split, tick)
        try:
            for member in read_members(tar):
                root.add(member.entry, member.content)
        except tarfile.TarError as error:
            raise UserError(f"the root filesystem's tar is damaged: {error}") from error
    return tuple((root.path(n), root.layers[n].blob) for n in sorted(root.layers))


class _Root:
    """The blobs of one root while they are written; each is begun when something lies in it."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        out: Path,
        times: Times,
        split: Split,
        tick: Callable[[int], None] | None,
    ) -> None:
        self.layers: dict[int, LayerWriter] = {}
        self._stack = stack
        self._out = out
        self._times = times
        self._split = split
        self._tick = tick
        self._folders: dict[str, Entry] = {}
        self._named: dict[int, set[str]] = {}

    def path(self, number: int) -> Path:
        """Where a blob is written."""
        return self._out / f"layer-{number:03}"

    def add(self, entry: Entry, content: BinaryIO | None) -> None:
        """Add an entry, unless it is noise, to its blob."""
        number = self._split.blob_of(entry)
        entry = replace(entry, mtime=self._time(entry, number))
        if entry.type == "dir":
            self._folders[entry.name] = entry
        if entry.name == _EMPTIED:
            self._write(number, replace(entry, type="file", size=0, target="", mode=0o644), None)
        elif entry.name == keystore.PLACE and content is not None:
            self._write(number, entry, keystore.with_time(content.read(), self._times.epoch))
        elif not is_root_noise(entry.name, folder=entry.type == "dir"):
            self._write(number, entry, content)

    def _time(self, entry: Entry, number: int) -> int:
        if entry.type == "dir":
            return FIXED_MTIME
        is_top = number == self._split.top
        return self._times.of(entry, self._times.epoch if is_top else FIXED_MTIME)

    def _write(self, number: int, entry: Entry, content: BinaryIO | bytes | None) -> None:
        if number not in self.layers:
            writer = LayerWriter(self.path(number), self._tick)
            self.layers[number] = self._stack.enter_context(writer)
            self._named[number] = set()
        layer, named = self.layers[number], self._named[number]
        for folder in reversed([*folders_above(entry.name)]):
            if folder not in named and folder in self._folders:
                named.add(folder)
                layer.add(self._folders[folder])
        if entry.type == "dir":
            named.add(entry.name)
        layer.add(entry, content)
