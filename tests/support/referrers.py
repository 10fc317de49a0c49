"""The referrers API of OCI's distribution specification 1.1, before a registry that lacks it.

Debian's docker-registry has none. What is pushed through this is handed on; manifests with a
`subject` are remembered, acknowledged with `OCI-Subject`, and listed as the specification says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

_INDEX = "application/vnd.oci.image.index.v1+json"
_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}

# So few at a time, that lists have several pages.
_PAGE = 2


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: str
    client: httpx.Client
    known: dict[str, list[dict[str, Any]]]
    lock: threading.Lock

    def _work(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self._chunks() if "Transfer-Encoding" in self.headers else self.rfile.read(length)
        parts = urlsplit(self.path)
        if "/referrers/" in parts.path:
            self._list(parts.path, parse_qs(parts.query))
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", *_HOP}}
        answer = self.client.request(
            self.command, f"http://{self.upstream}{self.path}", headers=headers, content=body
        )
        more = {}
        if self.command == "PUT" and "/manifests/" in parts.path and answer.status_code == 201:
            more = self._remember(body)
        self._reply(answer.status_code, dict(answer.headers) | more, answer.content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _work  # noqa: N815

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _remember(self, body: bytes) -> dict[str, str]:
        said = json.loads(body)
        if "subject" not in said:
            return {}
        subject = str(said["subject"]["digest"])
        descriptor = {
            "mediaType": said["mediaType"],
            "digest": f"sha256:{hashlib.sha256(body).hexdigest()}",
            "size": len(body),
            "artifactType": said.get("artifactType"),
            "annotations": said.get("annotations", {}),
        }
        with self.lock:
            listed = self.known.setdefault(subject, [])
            if descriptor not in listed:
                listed.append(descriptor)
        return {"OCI-Subject": subject}

    def _list(self, path: str, query: dict[str, list[str]]) -> None:
        subject = path.rpartition("/")[2]
        with self.lock:
            listed = list(self.known.get(subject, []))
        headers = {"Content-Type": _INDEX}
        if kind := query.get("artifactType", [""])[0]:
            listed = [d for d in listed if d["artifactType"] == kind]
            headers["OCI-Filters-Applied"] = "artifactType"
        at = int(query.get("at", ["0"])[0])
        if len(listed) > at + _PAGE:
            more = urlencode({"artifactType": kind, "at": at + _PAGE})
            headers["Link"] = f'<{path}?{more}>; rel="next"'
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": listed[at : at + _PAGE]}
        self._reply(200, headers, json.dumps(index).encode())

    def _reply(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(code)
        for name, value in headers.items():
            # uploads go on where this is, not where the registry is
            text = value.replace(f"http://{self.upstream}", "")
            if name.lower() not in _HOP:
                self.send_header(name, text)
        size = headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", size or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """A test's output is no server's log."""


@contextlib.contextmanager
def serve_referrers(upstream: str) -> Iterator[str]:
    """HOST:PORT of a registry with the API, whose content is kept by the one at `upstream`."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        state = {"upstream": upstream, "client": client, "known": {}, "lock": threading.Lock()}
        handler = type("Handler", (_Handler,), state)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
