"""dist/ as a read-only registry on loopback, so that an engine can pull what it lacks.

A pull fetches only the layers that the engine doesn't have; `docker load` would copy them all.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from lapstrake.dist import Build

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@contextlib.contextmanager
def serve(dist: Path, build: Build) -> Iterator[str]:
    """Serve dist/ as long as the context lasts; gives `127.0.0.1:PORT`.

    Repositories are called `<family>/<image>`; manifests are found by digest and by tag.
    """
    server = _Server(dist, build)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # an engine keeps its connections open long after its pull

    def __init__(self, dist: Path, build: Build) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs = dist / "blobs" / "sha256"
        self.tags = {
            (f"{build.family}/{i.name}", t): i.digest for i in build.images for t in i.tags
        }

    def digest_of(self, name: str, reference: str) -> str | None:
        if _DIGEST.fullmatch(reference):
            return reference
        return self.tags.get((name, reference))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the engine reports what fails."""

    def _answer(self, *, body: bool) -> None:
        if self.path in {"/v2", "/v2/"}:
            self._send_json(HTTPStatus.OK, {}, body=body)
            return
        asked = _PATH.fullmatch(self.path)
        digest = asked and self.server.digest_of(asked["name"], asked["reference"])
        path = self.server.blobs / digest.removeprefix("sha256:") if digest else None
        if asked is None or digest is None or path is None or not path.is_file():
            kind = "MANIFEST_UNKNOWN" if asked and asked["kind"] == "manifests" else "BLOB_UNKNOWN"
            error = {"code": kind, "message": f"{self.path} is not in dist/"}
            self._send_json(HTTPStatus.NOT_FOUND, {"errors": [error]}, body=body)
            return
        media_type = "application/octet-stream"
        if asked["kind"] == "manifests":
            media_type = json.loads(path.read_bytes())["mediaType"]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError), path.open("rb") as file:
            self._send_file(file, path.stat().st_size, digest, media_type, body=body)

    def _send_json(self, status: HTTPStatus, value: object, *, body: bool) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _send_file(
        self, file: BinaryIO, size: int, digest: str, media_type: str, *, body: bool
    ) -> None:
        part = _part(self.headers.get("Range"), size)
        if part is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, end = part
        whole = part == (0, size)
        self.send_response(HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT)
        if not whole:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        self.send_header("Docker-Content-Digest", digest)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if body and end > start:
            self.wfile.flush()
            self.connection.sendfile(file, start, end - start)


def _part(asked: str | None, size: int) -> tuple[int, int] | None:
    """The bytes [start, end) that a Range header asks for; None where there are none such."""
    if asked is None:
        return 0, size
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found[0] == "bytes=-":
        return 0, size
    if not found[1]:
        return max(0, size - int(found[2])), size
    start, end = int(found[1]), size
    if found[2]:
        end = min(size, int(found[2]) + 1)
    return (start, end) if start < end else None
