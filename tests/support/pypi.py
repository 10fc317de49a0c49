"""pypiserver on loopback, with and without a login."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
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
    args = ["run", "-p", str(port), "-i", "127.0.0.1", "--disable-fallback"]
    args += ["--hash-algo", algorithm, "--server", "wsgiref"]
    if login is None:
        args += ["-a", ".", "-P", "."]
    else:
        hashed = base64.b64encode(hashlib.sha1(login[1].encode()).digest()).decode()  # noqa: S324
        (folder / "htpasswd").write_text(f"{login[0]}:{{SHA}}{hashed}\n")
        args += ["-a", "update,download,list", "-P", str(folder / "htpasswd")]
    with (
        (folder / "log").open("wb") as log,
        process.spawn(
            [sys.executable, "-m", "pypiserver", *args, packages],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdout=log.fileno(),
            stderr=log.fileno(),
        ) as child,
    ):
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
