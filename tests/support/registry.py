"""Debian's docker-registry on loopback, with and without a login."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import httpx

from lapstrake import process

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: "{folder}/data"}}
  delete: {{enabled: {deletions}}}
  maintenance: {{readonly: {{enabled: {read_only}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextlib.contextmanager
def serve_registry(
    folder: Path,
    login: tuple[str, str] | None = None,
    *,
    read_only: bool = False,
    deletions: bool = True,
    more: str = "",
) -> Iterator[str]:
    """HOST:PORT of an empty registry that ends with the context.

    `login` is (user, password); `more` are lines for its configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    text = _CONFIG.format(
        folder=folder,
        port=port,
        read_only=str(read_only).lower(),
        deletions=str(deletions).lower(),
    )
    if login is not None:
        hashed = bcrypt.hashpw(login[1].encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{login[0]}:{hashed}\n")
        text += f"auth:\n  htpasswd:\n    realm: test\n    path: {folder}/htpasswd\n"
    (folder / "config.yml").write_text(text + more)
    with (
        (folder / "log").open("wb") as log,
        process.spawn(
            ["docker-registry", "serve", folder / "config.yml"],
            # REGISTRY_AUTH_FILE is skopeo's; the registry would take it for its own auth.file
            env={k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")},
            stderr=log.fileno(),
        ) as child,
    ):
        for _ in range(400):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/v2/", trust_env=False)
                break
            assert child.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            child.terminate()


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
