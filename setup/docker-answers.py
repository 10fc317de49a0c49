"""Exit with 0 where a Docker engine answers, 1 where none does, 2 where it is not for us.

Asks where the docker SDK asks (DOCKER_HOST, else the default socket), with the standard library
alone: it runs before there is a virtual environment. Another program's socket that never
answers counts as none.
"""

from __future__ import annotations

import os
import socket
import sys
from urllib.parse import urlsplit

DEFAULT = "unix:///var/run/docker.sock"


def ping(address: str) -> bool:
    """Whether a GET of /_ping is answered with 200; a TLS engine is taken at its word."""
    parts = urlsplit(address)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(parts.path)
    else:
        connection = socket.create_connection((parts.hostname or "", parts.port or 2375), 5)
        if os.environ.get("DOCKER_TLS_VERIFY"):
            return True
    with connection:
        connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
        return connection.recv(64).split()[1:2] == [b"200"]


def main() -> int:
    """The exit code."""
    try:
        return 0 if ping(os.environ.get("DOCKER_HOST") or DEFAULT) else 1
    except PermissionError:
        return 2
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
