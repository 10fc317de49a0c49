"""What commands must not leave in a layer: the credentials that they were given."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake.redact import secrets_in


def check_leaks(tree: Path, env: Mapping[str, str]) -> None:
    """Refuse a tree in which a secret of `env` stands, in a file, a name or a link.

    Raises:
        UserError: naming the path, not the secret.
    """
    secrets = [secret.encode() for secret in sorted(secrets_in(env))]
    if not secrets:
        return
    for folder, folders, files in os.walk(tree):
        for name in sorted((*folders, *files)):
            path = Path(folder) / name
            if _holds(path, secrets):
                raise UserError(
                    f"the commands left a credential of the package index in "
                    f"/{path.relative_to(tree)}",
                    "write no environment and no pip or uv settings into the image",
                )


def _holds(path: Path, secrets: Iterable[bytes]) -> bool:
    info = path.lstat()
    if any(secret in os.fsencode(path.name) for secret in secrets):
        return True
    if stat.S_ISLNK(info.st_mode):
        target = os.fsencode(path.readlink())
        return any(secret in target for secret in secrets)
    if not stat.S_ISREG(info.st_mode) or info.st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(secret) >= 0 for secret in secrets)
