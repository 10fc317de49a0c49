"""pypiserver on loopback, with and without a login."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from lapstrake import process
from support.registry import free_port


@contextlib.contextmanager
def serve_pypi(
    folder: Path, login: tuple[str, str] | None = None, *, algorithm: str = "sha256"
) -> Iterator[str]:
    """The address of an index whose files lie in `folder`/packages; it ends with the context.

    `login` is (user, password) for uploads, downloads and lists; `algorithm` is what the index
    tells of its files.
    """
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    port = free_port()
    program = Path(__file__).with_name("pypi_program.py")
    with (
        (folder / "log").open("wb") as log,
        process.spawn(
            [sys.executable, program, str(port), packages, algorithm],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=log.fileno(),
            stderr=log.fileno(),
        ) as child,
    ):
        assert child.stdin is not None
        child.stdin.write(":".join(login or ()).encode())
        child.stdin.close()
        url = f"http://127.0.0.1:{port}/"
        for _ in range(400):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(url, trust_env=False)
                break
            assert child.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        try:
            yield url
        finally:
            child.terminate()
