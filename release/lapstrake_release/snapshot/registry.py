"""Docker's registry on loopback."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.store.store import write_staged, writing

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: "{folder}/data"}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""

_PATIENCE = 20.0


@contextlib.contextmanager
def serve_registry(folder: Path) -> Iterator[str]:
    """HOST:PORT of a registry that keeps its data in `folder`, as long as the context lasts.

    Raises:
        UserError: docker-registry is not installed, or doesn't start.
    """
    process.need("docker-registry")
    port = _free_port()
    config = folder / "config.yml"
    write_staged(config, _CONFIG.format(folder=folder, port=port).encode())
    # what is meant for skopeo, as $REGISTRY_AUTH_FILE, it would take for settings of its own
    env = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
    with (
        writing(folder),
        (folder / "log").open("wb") as log,
        process.spawn(["docker-registry", "serve", config], env=env, stderr=log.fileno()) as child,
    ):
        end = time.monotonic() + _PATIENCE
        while not _answers(port):
            if child.poll() is not None or time.monotonic() > end:
                tail = (folder / "log").read_text(errors="replace").splitlines()[-3:]
                raise UserError("docker-registry doesn't start", details=tuple(tail))
            time.sleep(0.05)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            child.terminate()


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/v2/", trust_env=False)
    except httpx.TransportError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
