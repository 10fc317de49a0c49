"""pypiserver with a login: `python pypi_program.py PORT FOLDER ALGORITHM`, USER:PASSWORD on stdin.

Its own command line would take passwords from an htpasswd file, which it reads with passlib; that
one breaks with the bcrypt of today.
"""

from __future__ import annotations

import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pypiserver


class _Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    port, folder, algorithm = sys.argv[1:]
    login = tuple(sys.stdin.read().strip().split(":", 1))
    application = pypiserver.app(
        roots=[Path(folder)],
        authenticate=["update", "download", "list"] if len(login) == 2 else [],
        auther=(lambda user, password: (user, password) == login) if len(login) == 2 else None,
        password_file=".",
        disable_fallback=True,
        hash_algo=None if algorithm == "off" else algorithm,
    )
    server = make_server("127.0.0.1", int(port), application, _Threading, _Silent)
    server.serve_forever()


if __name__ == "__main__":
    main()
