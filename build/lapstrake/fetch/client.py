"""An HTTP client whose connections end when all is to end.

Who waits for a server that has stalled hears nothing of ^C, and those that wait for that thread
would not end before its timeout.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from typing import Any

import httpx

from lapstrake import process

# What httpcore tells when a connection stands, and when it speaks TLS: that is another socket.
_MADE = ("connect_tcp.complete", "start_tls.complete")


class Client(httpx.Client):
    """As httpx's, for several threads; `stop` lets all of them see a lost connection."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._sockets_lock = threading.Lock()
        self._stopped = False
        self.event_hooks["request"].append(self._watch)
        process.also_stop(self)

    def stop(self) -> None:
        """End all connections, now and later."""
        with self._sockets_lock:
            self._stopped = True
            for found in self._sockets:
                _end(found)

    def _watch(self, request: httpx.Request) -> None:
        request.extensions = {**request.extensions, "trace": self._note}

    def _note(self, event: str, info: dict[str, Any]) -> None:
        if not event.endswith(_MADE):
            return
        made = info["return_value"].get_extra_info("socket")
        with self._sockets_lock:
            self._sockets.add(made)
            if self._stopped:
                _end(made)


def _end(found: socket.socket) -> None:
    """Wake who reads or writes; a TLS socket's own way would wait for the other end."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(found, socket.SHUT_RDWR)
