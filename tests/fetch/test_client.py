"""Connections that end from another thread."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import httpx
import pytest

from lapstrake.fetch.client import Client
from support.tls import authority, server_side


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_who_waits_for_an_answer_is_woken(tls: bool, tmp_path: Path) -> None:
    trusted, context = certified(tmp_path) if tls else (True, None)
    asked, caught = threading.Event(), list[httpx.TransportError]()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Client(trust_env=False, verify=trusted, timeout=httpx.Timeout(300)) as client,
    ):
        url = f"http{'s' * tls}://localhost:{server.getsockname()[1]}/"

        def ask() -> None:
            try:
                client.get(url)
            except httpx.TransportError as error:
                caught.append(error)

        def listen() -> None:
            plain, _ = server.accept()
            with context.wrap_socket(plain, server_side=True) if context else plain as one:
                while one.recv(1000):
                    asked.set()

        threads = [threading.Thread(target=f, daemon=True) for f in (ask, listen)]
        for thread in threads:
            thread.start()
        assert asked.wait(30)
        client.stop()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert len(caught) == 1
        # nor does it wait for anybody later
        with pytest.raises(httpx.TransportError):
            client.get(url)


def certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a client trusts, and what a server on this machine proves itself with."""
    ca, certificate, key = authority(folder, "DNS:localhost")
    return ssl.create_default_context(cafile=ca), server_side(certificate, key)
