"""Between a client and the Docker engine: what the engine says comes late, and in one piece.

A busy machine sees that: whoever is slow to read finds an answer's headers and its body together.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator

_LATE_SECONDS = 0.3


@contextlib.contextmanager
def late_engine() -> Iterator[str]:
    """The address, for DOCKER_HOST, of an engine on loopback whose answers come so."""
    path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, path), daemon=True).start()
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"


def _accept(listening: socket.socket, path: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = listening.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(path)
            for source, sink, late in ((near, far, 0.0), (far, near, _LATE_SECONDS)):
                threading.Thread(target=_forward, args=(source, sink, late), daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket, late: float) -> None:
    """Forward until the source ends; what follows within `late` seconds goes along."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            while late and select.select([source], [], [], late)[0]:
                if not (more := source.recv(1 << 16)):
                    break
                data += more
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
