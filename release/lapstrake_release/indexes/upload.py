"""Files to an index, through twine."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.fetch.http import certificates, stall
from lapstrake.redact import MASK
from lapstrake.skopeo import is_loopback
from lapstrake_release.indexes.model import Index

# twine sets no limit on an upload: these are bytes a second that any upload reaches.
_SLOWEST = 50_000

# Stalls that make an upload a lost one: connecting, sending, the index's thinking, the answer.
_STALLS = 4

_ANYONE = "anonymous"


def twine_check(files: Sequence[Path]) -> None:
    """`twine check --strict`.

    Raises:
        UserError: an index would refuse, or not show, what a file says of itself.
    """
    need_twine()
    process.run(
        [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *files],
        env={**os.environ, "PYTHONWARNINGS": "ignore", "COLUMNS": "400"},
        failure="twine check --strict refuses a wheel or source archive",
        hint="mend what the project says of itself (its pyproject.toml, its README)",
    )


def need_twine() -> None:
    """Raise `ModuleNotFoundError` where twine isn't installed; the command line says what to do."""
    importlib.import_module("twine")


def twine_upload(index: Index, files: Sequence[Path]) -> None:
    """Upload files, one after the other; what came before one that fails stays there.

    Args:
        index: with the login, if it wants one.
        files: which.

    Raises:
        UserError: the index refuses one, or the connection is lost.
    """
    args = [sys.executable, "-m", "twine", "--no-color", "upload"]
    args += ["--non-interactive", "--disable-progress-bar", "--repository-url", index.upload]
    limit = _STALLS * stall() + sum(f.stat().st_size for f in files) / _SLOWEST
    result = _run([*args, "--", *(str(f) for f in files)], _environment(index), limit)
    if result.code != 0:
        # the login may be from ~/.pypirc: then nobody else knows that it is to be hidden
        said = (_hidden(result.stdout, index), _hidden(result.stderr, index))
        result = replace(result, stdout=said[0], stderr=said[1])
        raise process.failed(result, f"twine can't upload to {index.name}", "start again")


def _run(args: list[str], env: Mapping[str, str], limit: float) -> process.Result:
    """Run twine, but not for longer than `limit` seconds."""
    with process.spawn(args, env=env, stdout=subprocess.PIPE) as child:
        try:
            out, err = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise UserError(f"twine has not come to an end in {limit:.0f} s") from None
    return process.Result(tuple(args), child.returncode, out.decode(), err.decode())


def _hidden(text: str, index: Index) -> str:
    return text.replace(index.password, MASK) if index.password else text


def _environment(index: Index) -> dict[str, str]:
    """Ours, with the login of this index and of no other."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TWINE_")}
    if index.login is not None:
        env["TWINE_USERNAME"], env["TWINE_PASSWORD"] = index.login
    else:
        # twine sends none without a login, also to an index that wants none
        env["TWINE_USERNAME"] = env["TWINE_PASSWORD"] = _ANYONE
    if found := certificates():
        env.setdefault("REQUESTS_CA_BUNDLE", found)
    host = urlsplit(index.upload).netloc
    if is_loopback(host):
        env["NO_PROXY"] = env["no_proxy"] = host.rpartition(":")[0] or host
    return env | {"PYTHONWARNINGS": "ignore", "COLUMNS": "400"}
