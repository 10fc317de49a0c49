"""The files of a project as git sees them, copied elsewhere."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path, PurePosixPath

from lapstrake import process
from lapstrake.errors import UserError

_EXECUTABLE, _PLAIN = 0o755, 0o644


def project_files(folder: Path) -> list[str]:
    """Every file below `folder` that git tracks, or would: sorted paths relative to it.

    What git ignores is left out, and so is what is gone from the working tree.

    Raises:
        UserError: it is no git checkout, or a submodule in it isn't checked out.
    """
    which = ("--cached", "--others", "--exclude-standard")
    result = process.run(["git", "-C", folder, "ls-files", "-z", *which], check=False)
    if result.code != 0:
        if "not a git repository" in result.stderr:
            raise UserError(
                f"{folder} is no git checkout", "git says which files belong to a project"
            )
        raise UserError(f"git can't list the files of {folder}", "", result.tail)
    found: set[str] = set()
    for name in result.stdout.split("\0"):
        path = folder / name
        if name and path.is_dir() and not path.is_symlink():
            found |= {f"{name.rstrip('/')}/{inner}" for inner in _submodule(path)}
        elif name and os.path.lexists(path):
            found.add(name)
    return sorted(found)


def copy_files(folder: Path, names: list[str], into: Path) -> None:
    """Copy files and symbolic links; a file may be executed by all or none.

    Raises:
        UserError: a link leads out of the project or nowhere, or something is no file.
    """
    top = folder.resolve()
    for name in names:
        source, target = folder / name, into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = source.lstat().st_mode
        if stat.S_ISLNK(mode):
            check_link(top, name)
            target.symlink_to(source.readlink())
        elif stat.S_ISREG(mode):
            shutil.copyfile(source, target)
            target.chmod(_EXECUTABLE if mode & stat.S_IXUSR else _PLAIN)
        else:
            raise UserError(
                f"{source} is neither a file nor a link", "remove it or let git ignore it"
            )


def check_link(top: Path, name: str) -> None:
    """Refuse a symbolic link that means something else, or nothing, where the copy lies."""
    link = top / name
    target = str(link.readlink())
    hint = "put the file itself into the project"
    if PurePosixPath(target).is_absolute():
        raise UserError(f"{link} is a link to an absolute path, {target}", hint)
    # step by step, as the copy would go: the way may not lead out and in again either
    here = (link.parent.resolve() / target) if link.parent.exists() else link
    parts: list[str] = list(PurePosixPath(name).parent.parts)
    for part in PurePosixPath(target).parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise UserError(f"{link} leads out of the project, to {target}", hint)
    try:
        real = here.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise UserError(f"{link} leads nowhere: {target} doesn't exist", hint) from error
    if not real.is_relative_to(top):
        raise UserError(f"{link} leads out of the project, to {real}", hint)


def set_times(folder: Path, when: int) -> None:
    """Give every file and folder below (and `folder`) one modification time."""
    for path in sorted([folder, *folder.rglob("*")], reverse=True):
        os.utime(path, (when, when), follow_symlinks=False)


def _submodule(path: Path) -> list[str]:
    if not (path / ".git").exists():
        raise UserError(
            f"{path} is a submodule that isn't checked out", "git submodule update --init"
        )
    return project_files(path)
