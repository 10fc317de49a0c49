"""A package index on loopback that takes what twine uploads, and shows it (PEP 691)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lapstrake.store.store import write_staged
from lapstrake_release.indexes.model import normalised

_JSON = "application/vnd.pypi.simple.v1+json"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.(?:whl|tar\.gz)")
_FIELD = re.compile(rb'name="([^"]*)"(?:; *filename="([^"]*)")?')


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        """A project's page, or a file."""
        _, kind, name, *_ = [*self.path.split("/"), "", ""]
        if kind == "simple":
            self._page(name)
        elif kind == "files" and _FILE_NAME.fullmatch(name) and (self.folder / name).is_file():
            self._reply(200, (self.folder / name).read_bytes(), "application/octet-stream")
        else:
            self._reply(404)

    def do_POST(self) -> None:
        """An upload, as twine sends it; a file that is there is never replaced."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        boundary = self.headers.get("Content-Type", "").partition("boundary=")[2].encode()
        fields = dict(_parts(body, boundary)) if boundary else {}
        name, content = fields.get(b"content", ("", b""))
        if not _FILE_NAME.fullmatch(name):
            self._reply(400, b"no file")
        elif (self.folder / name).exists() and (self.folder / name).read_bytes() != content:
            self._reply(400, b"File already exists")
        else:
            write_staged(self.folder / name, content)
            self._reply(200)

    def _page(self, project: str) -> None:
        paths = [p for p in sorted(self.folder.glob("*")) if _is_of(p.name, project)]
        files = [
            {
                "filename": p.name,
                "url": f"/files/{p.name}",
                "hashes": {"sha256": hashlib.sha256(p.read_bytes()).hexdigest()},
            }
            for p in paths
        ]
        page = {"meta": {"api-version": "1.0"}, "name": project, "files": files}
        self._reply(200 if files else 404, json.dumps(page).encode(), _JSON)

    def _reply(self, code: int, body: bytes = b"", kind: str = "text/plain") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, tuple[str, bytes]]]:
    """The fields of a form: name -> (file name, content)."""
    for part in body.split(b"--" + boundary.strip(b'"')):
        head, found, content = part.partition(b"\r\n\r\n")
        field = _FIELD.search(head)
        if found and field:
            name = (field[2] or b"").decode(errors="replace")
            yield field[1], (name, content.removesuffix(b"\r\n"))


def _is_of(name: str, project: str) -> bool:
    return normalised(name.partition("-")[0]) == normalised(project)


@contextlib.contextmanager
def serve_index(folder: Path) -> Iterator[str]:
    """The address of an index whose files lie in `folder`, as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = type("Handler", (_Handler,), {"folder": folder})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
