"""A registry of the benchmark's own on loopback, and what it holds."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: "{folder}/data"}}
  cache: {{blobdescriptor: inmemory}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@dataclass(frozen=True)
class Registry:
    """A registry that runs: `host` is HOST:PORT."""

    host: str
    folder: Path

    def blobs(self) -> dict[str, int]:
        """Bytes of every blob that was ever pushed, by digest without `sha256:`."""
        found = (self.folder / "data").glob("docker/registry/v2/blobs/sha256/*/*/data")
        return {p.parent.name: p.stat().st_size for p in found}

    def size(self) -> int:
        """Bytes of all blobs."""
        return sum(self.blobs().values())


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Registry]:
    """An empty registry that stores in `folder` and ends with the context."""
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, port=port))
    args: list[str | Path] = ["docker-registry", "serve", folder / "config.yml"]
    # variables of that prefix are its settings, and skopeo has one of them too
    env = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
    with (
        (folder / "log").open("wb") as log,
        process.spawn(args, env=env, stderr=log.fileno()) as child,
    ):
        if not answers(port, "/v2/"):
            raise UserError("docker-registry did not start", "", _tail(folder / "log"))
        try:
            yield Registry(f"127.0.0.1:{port}", folder)
        finally:
            child.terminate()


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def get_status(port: int, path: str) -> int:
    """The status that a server on loopback answers a GET with; 0 where it doesn't answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def answers(port: int, path: str) -> bool:
    """Whether a server that was started a moment ago says 200; it has 20 seconds for it."""
    for _ in range(400):
        if get_status(port, path) == 200:
            return True
        time.sleep(0.05)
    return False


def _tail(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(errors="replace").splitlines()[-5:])
