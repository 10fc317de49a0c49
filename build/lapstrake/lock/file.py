"""Reading and writing `lapstrake.lock`."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from lapstrake.errors import UserError
from lapstrake.lock.model import LOCK_VERSION, Lock
from lapstrake.store.scratch import remove_abandoned_files
from lapstrake.store.store import write_staged

_AGAIN = "`lapstrake lock` writes it"


def write_lock(path: Path, lock: Lock) -> None:
    """Write the lock as JSON: the same lock is always the same bytes.

    Raises:
        UserError: it can't be written.
    """
    text = json.dumps(lock.model_dump(mode="json"), indent=1, ensure_ascii=False)
    remove_abandoned_files(path.parent, path.name)
    write_staged(path, f"{text}\n".encode())


def read_lock(path: Path) -> Lock:
    """Read a lock.

    Raises:
        UserError: there is none, or it is none that can be understood.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"there is no {path.name}", _AGAIN) from None
    except UnicodeDecodeError:
        raise UserError(f"{path.name} is not UTF-8", _AGAIN) from None
    except OSError as error:
        raise UserError(f"{path.name} can't be read: {error.strerror}") from error
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        merged = any(line.startswith("<<<<<<< ") for line in text.splitlines())
        says = "holds an unresolved merge" if merged else f"is no JSON: {error.msg}"
        hint = "take either side, then `lapstrake lock`" if merged else _AGAIN
        raise UserError(f"{path.name}:{error.lineno}: {says}", hint) from None
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > LOCK_VERSION:
        raise UserError(f"{path.name} was written by a newer Lapstrake", "use that one")
    try:
        return Lock.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise UserError(
            f"{path.name} is no lock of this Lapstrake: {where}: {first['msg'].lower()}", _AGAIN
        ) from None
