"""A TCP relay on loopback that stalls or cuts connections after some bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Literal

Way = Literal["up", "down"]


class Relay:
    """Forwards to HOST:PORT; `reached` is set once it has begun to stall or cut.

    Args:
        target: HOST:PORT.
        way: which direction's bytes count, `down` towards the client.
        after: so many are let through in a connection.
        cut: close the connection then, instead of stalling; the next ones pass.
    """

    def __init__(self, target: str, way: Way, after: int, *, cut: bool) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._way = way
        self._after = after
        self._cut = cut
        self._open: list[socket.socket] = []
        self.reached = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for way, source, sink in (("up", near, far), ("down", far, near)):
                    args = (way == self._way, source, sink)
                    threading.Thread(target=self._forward, args=args, daemon=True).start()

    def _forward(self, counts: bool, source: socket.socket, sink: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 14):
                passed += len(data)
                if counts and passed > self._after and not (self._cut and self.reached.is_set()):
                    self.reached.set()
                    if not self._cut:
                        return
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all connections."""
        for end in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def relay(target: str, way: Way, after: int, *, cut: bool = False) -> Iterator[Relay]:
    """A `Relay` as long as the context lasts."""
    found = Relay(target, way, after, cut=cut)
    try:
        yield found
    finally:
        found.close()
