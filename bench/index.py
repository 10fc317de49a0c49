"""A package index of the benchmark's own on loopback: pypiserver."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from bench.registry import answers, free_port
from bench.setting import PYTHON
from lapstrake import process
from lapstrake.errors import UserError


@contextlib.contextmanager
def serve_index(folder: Path) -> Iterator[str]:
    """The address of an empty index that takes uploads without a login, for the context."""
    packages = folder / "packages"
    packages.mkdir(parents=True)
    port = free_port()
    words = ["-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port), "-P", ".", "-a", "."]
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    with (
        (folder / "log").open("wb") as log,
        process.spawn(
            [PYTHON, *words, "--disable-fallback", packages], env=env, stderr=log.fileno()
        ) as child,
    ):
        if not answers(port, "/"):
            raise UserError("pypiserver did not start", "make setup")
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            child.terminate()
