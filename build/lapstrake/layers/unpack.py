"""One layer to a folder that an overlay can have as a lower one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lapstrake.errors import UserError
from lapstrake.layers.tarheader import Entry
from lapstrake.layers.tarread import OPAQUE, WHITEOUT, blamed, layer_members

# The form that needs no privilege beyond the namespace's: mount with `userxattr`.
_OPAQUE_XATTR = "user.overlay.opaque"
_RESERVED = ("user.overlay.", "trusted.overlay.")

_COPY = 1 << 20
_MOST_LINKS = 40
_NO_ROOM = "free some space, or put the cache elsewhere with LAPSTRAKE_CACHE"
_HINTS = {
    errno.EINVAL: "it may belong to a user outside the range of /etc/subuid",
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
}
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(blob: Path, into: Path) -> None:
    """Unpack a layer into the empty folder `into`; needs root, if only that of a namespace.

    Whiteouts take the overlay's form (a character device 0:0, `user.overlay.opaque`). Nothing is
    written outside `into`: symbolic links on the way are followed as if `into` were the root.
    Device nodes are left out where the kernel forbids them.

    Raises:
        UserError: the layer is damaged, names a path outside, or a link to what isn't in it.
    """
    with blamed(blob), contextlib.closing(_Tree(into)) as tree:
        for member in layer_members(blob):
            try:
                _apply(tree, member.entry, member.content)
            except OSError as error:
                # gzip's own complaint about what it reads is one without a number
                if error.errno is None:
                    raise
                raise _blamed(error, blob, member.entry.name) from error
        tree.finish()


def _blamed(error: OSError, blob: Path, name: str) -> UserError:
    number = error.errno or 0
    reason, hint = os.strerror(number).lower(), _HINTS.get(number, "")
    return UserError(f"/{name} of the layer {blob.name} can't be unpacked: {reason}", hint)


def _apply(tree: _Tree, entry: Entry, content: BinaryIO | None) -> None:
    with tree.place(entry.name) as (folder, last):
        if last == OPAQUE:
            tree.hide_below(folder)
        elif last.startswith(WHITEOUT):
            tree.white_out(folder, last.removeprefix(WHITEOUT))
        elif entry.type == "dir":
            tree.make_folder(folder, last, entry)
        else:
            tree.make_room(folder, last)
            tree.make(folder, last, entry, content)


class _Tree:
    """A folder in which every step goes from an open folder to a name that is no link."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, _FOLDER_FLAGS)
        self._last: tuple[tuple[str, ...], int] = ((), os.dup(self._root))
        self._times: dict[tuple[str, ...], int] = {}
        self._real: set[tuple[str, ...]] = set()

    def close(self) -> None:
        """Close what is open."""
        os.close(self._root)
        os.close(self._last[1])

    def finish(self) -> None:
        """Give folders their times, now that nothing is put into them any more."""
        for parts, mtime in self._times.items():
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                _set_time(self._open(parts), "", mtime)

    @contextlib.contextmanager
    def place(self, name: str) -> Iterator[tuple[int, str]]:
        """The open folder that `name` is in, made where it is missing, and its last part."""
        folder, _, last = name.rpartition("/")
        number = os.dup(self._open(self._resolve(folder)))
        try:
            yield number, last
        finally:
            os.close(number)

    def make_folder(self, folder: int, last: str, entry: Entry) -> None:
        """Make a folder, or give one that is there its mode and owner."""
        found = _stat(folder, last)
        hides = found is not None and _is_whiteout(found)
        if found is None or not stat.S_ISDIR(found.st_mode):
            self.make_room(folder, last)
            os.mkdir(last, 0o700, dir_fd=folder)
        number = os.open(last, _FOLDER_FLAGS, dir_fd=folder)
        try:
            if hides:
                os.setxattr(number, _OPAQUE_XATTR, b"y")
            os.fchown(number, entry.uid, entry.gid)
            os.fchmod(number, entry.mode)
            _set_xattrs(number, entry)
        finally:
            os.close(number)
        self._times[self._resolve(entry.name)] = entry.mtime

    def make(self, folder: int, last: str, entry: Entry, content: BinaryIO | None) -> None:
        """Make anything but a folder, where nothing is."""
        if entry.type == "hardlink":
            with self.place(entry.target) as (source, name):
                os.link(name, last, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            return
        if entry.type == "file":
            _write_file(folder, last, entry, content)
            return
        if entry.type == "symlink":
            os.symlink(entry.target, last, dir_fd=folder)
        elif not _make_node(folder, last, entry):
            return
        os.chown(last, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
        if entry.type != "symlink":
            os.chmod(last, entry.mode, dir_fd=folder)
        _set_time(folder, last, entry.mtime)

    def white_out(self, folder: int, last: str) -> None:
        """Hide what is called `last` in the layers below."""
        found = _stat(folder, last)
        if found is None:
            os.mknod(last, stat.S_IFCHR, os.makedev(0, 0), dir_fd=folder)
        elif stat.S_ISDIR(found.st_mode):
            number = os.open(last, _FOLDER_FLAGS, dir_fd=folder)
            self.hide_below(number)
            os.close(number)

    def hide_below(self, folder: int) -> None:
        """Hide all that the layers below have in an open folder."""
        os.setxattr(folder, _OPAQUE_XATTR, b"y")

    def make_room(self, folder: int, last: str) -> None:
        """Remove what an earlier entry of the same name put there."""
        found = _stat(folder, last)
        if found is None:
            return
        if stat.S_ISDIR(found.st_mode):
            shutil.rmtree(last, dir_fd=folder)
            self._forget()
        else:
            os.unlink(last, dir_fd=folder)

    def _forget(self) -> None:
        self._real.clear()
        os.close(self._last[1])
        self._last = ((), os.dup(self._root))

    def _open(self, parts: tuple[str, ...]) -> int:
        """An open folder, which stays open until the next is asked for; made where missing."""
        if parts == self._last[0]:
            return self._last[1]
        number = os.dup(self._root)
        for part in parts:
            above = number
            try:
                if _stat(above, part) is None:
                    os.mkdir(part, 0o755, dir_fd=above)
                number = os.open(part, _FOLDER_FLAGS, dir_fd=above)
            finally:
                os.close(above)
        os.close(self._last[1])
        self._last = (parts, number)
        return number

    def _resolve(self, name: str) -> tuple[str, ...]:
        """The parts of a folder's path, with links followed inside the root."""
        pending, done, links = name.split("/")[::-1], list[str](), 0
        while pending:
            part = pending.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                del done[-1:]
                continue
            target = self._link((*done, part))
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if target.startswith("/"):
                done = []
            pending += target.split("/")[::-1]
        return tuple(done)

    def _link(self, parts: tuple[str, ...]) -> str | None:
        """Where a link points to; None for what is none."""
        if parts in self._real:
            return None
        try:
            return os.readlink(parts[-1], dir_fd=self._open(parts[:-1]))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._real.add(parts)
            return None


def _stat(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_whiteout(info: os.stat_result) -> bool:
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0


def _write_file(folder: int, last: str, entry: Entry, content: BinaryIO | None) -> None:
    number = os.open(last, _FILE_FLAGS, 0o600, dir_fd=folder)
    with os.fdopen(number, "wb", buffering=0) as file:
        if content is not None:
            shutil.copyfileobj(content, file, _COPY)
        os.fchown(number, entry.uid, entry.gid)
        os.fchmod(number, entry.mode)
        _set_xattrs(number, entry)
        os.utime(number, (entry.mtime, entry.mtime))


def _make_node(folder: int, last: str, entry: Entry) -> bool:
    if entry.type == "fifo":
        os.mkfifo(last, 0o600, dir_fd=folder)
        return True
    kind = stat.S_IFCHR if entry.type == "char" else stat.S_IFBLK
    try:
        os.mknod(last, kind | 0o600, os.makedev(entry.major, entry.minor), dir_fd=folder)
    except PermissionError:
        return False
    return True


def _set_xattrs(number: int, entry: Entry) -> None:
    for key, value in entry.xattrs.items():
        if not key.startswith(_RESERVED):
            with contextlib.suppress(PermissionError):
                os.setxattr(number, key, value)


def _set_time(folder: int, name: str, mtime: int) -> None:
    times = (mtime, mtime)
    if name:
        os.utime(name, times, dir_fd=folder, follow_symlinks=False)
    else:
        os.utime(folder, times)
