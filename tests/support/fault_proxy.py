"""An HTTP proxy on loopback between a client and a server, which does harm to chosen requests.

It also remembers what the server itself answered, so that what was uploaded can be counted.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

# reset: the connection breaks before the server hears of it; lost: after it has done its work;
# stall: no answer ever; truncate: half an answer; the others are answers of the proxy's own.
Fault = Literal["reset", "lost", "stall", "truncate", "500", "429", "401", "405"]

FAULTS: tuple[Fault, ...] = ("reset", "lost", "stall", "truncate", "500", "429", "401")

_BLOB = re.compile(r"/v2/(?P<path>.+)/blobs/uploads/.*[?&]digest=(?P<digest>sha256(?::|%3A)\w+)")
_NAME = re.compile(r"/v2/(?P<path>.+)/manifests/(?P<name>[^/?]+)")
_FILE = re.compile(rb'filename="([^"]+)"')
_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True)
class Seen:
    """One request that reached the server, and its answer's status."""

    method: str
    path: str
    status: int
    file: str = ""


@dataclass
class Proxy:
    """Where the proxy listens, what it has seen, and what it is to do.

    `harm` decides for each request, by its number (from 1), method and path. With `echo` an answer
    of the proxy's own repeats the headers that it was sent.
    """

    host: str = ""
    seen: list[Seen] = field(default_factory=list)
    asked: int = 0
    harmed: int = 0
    echo: bool = False
    harm: Callable[[int, str, str], Fault | None] = lambda *_: None
    on_answer: Callable[[Seen], None] = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)
    ending: threading.Event = field(default_factory=threading.Event)

    def at(self, number: int, fault: Fault) -> None:
        """Do harm to the request of that number from now."""
        first = self.asked
        self.harm = lambda n, _m, _p: fault if n == first + number else None

    @property
    def blobs(self) -> Counter[tuple[str, str]]:
        """How often each blob was accepted, by repository and digest."""
        found = (_BLOB.match(s.path) for s in self.seen if s.method == "PUT" and s.status == 201)
        return Counter((f["path"], f["digest"].replace("%3A", ":")) for f in found if f)

    @property
    def files(self) -> Counter[str]:
        """How often each file was accepted by an index."""
        return Counter(
            s.file for s in self.seen if s.file and s.method == "POST" and s.status < 300
        )

    @property
    def names(self) -> list[str]:
        """The names that were given, in their order."""
        found = (_NAME.match(s.path) for s in self.seen if s.method == "PUT" and s.status == 201)
        return [f["name"] for f in found if f]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy
    target: tuple[str, int]

    def handle_any(self) -> None:
        with self.proxy.lock:
            self.proxy.asked += 1
            number = self.proxy.asked
        # not within the lock: it may wait
        fault = self.proxy.harm(number, self.command, self.path)
        with self.proxy.lock:
            self.proxy.harmed += fault is not None
        if fault == "reset":
            self._break()
        elif fault == "stall":
            self._drain()
            self._stall()
            self._break()
        elif fault is not None and fault.isdigit():
            self._drain()
            self._refuse(int(fault))
        else:
            self._forward(fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            found = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found
        size = int(self.headers.get("Content-Length") or 0)
        found = self.rfile.read(size)
        if len(found) < size:
            # whoever was sending it is gone: the server must not take a part for the whole
            raise ConnectionError
        return found

    def _drain(self) -> None:
        self._body()

    def _stall(self) -> None:
        """Say nothing, until whoever asked has gone."""
        gone = select.poll()
        gone.register(self.connection, select.POLLRDHUP)
        while not self.proxy.ending.is_set() and not gone.poll(50):
            pass

    def _forward(self, fault: Fault | None) -> None:
        body = self._body()
        far = http.client.HTTPConnection(*self.target, timeout=60)
        far.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        # one after the other: a client may send several of one name, as skopeo's are of Accept
        for key, value in self.headers.items():
            if key.lower() not in {*_HOP, "content-length"}:
                far.putheader(key, value)
        if body or self.command in {"PUT", "POST", "PATCH"}:
            far.putheader("Content-Length", str(len(body)))
        far.endheaders(body or None)
        answer = far.getresponse()
        data = answer.read()
        far.close()
        name = _FILE.search(body) if b'name="content"' in body else None
        seen = Seen(self.command, self.path, answer.status, name[1].decode() if name else "")
        with self.proxy.lock:
            self.proxy.seen.append(seen)
        self.proxy.on_answer(seen)
        if fault == "lost":
            self._break()
            return
        self._answer(answer, data, cut=fault == "truncate")

    def _answer(self, answer: http.client.HTTPResponse, data: bytes, *, cut: bool) -> None:
        head = [f"HTTP/1.1 {answer.status} {answer.reason}\r\n"]
        for key, value in answer.getheaders():
            if key.lower() not in {*_HOP, "content-length"}:
                head.append(f"{key}: {value}\r\n")
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
        if length is not None:
            head.append(f"Content-Length: {length}\r\n")
        sent = ("".join(head) + "\r\n").encode("latin-1")
        sent += b"" if self.command == "HEAD" else data
        if cut:
            # within the body, or where there is none within the head
            self.wfile.write(sent[: len(sent) - max(len(data) // 2, 20)])
            self._break(hard=False)
            return
        self.wfile.write(sent)

    def _refuse(self, code: int) -> None:
        self.send_response(code)
        if code == 429:
            self.send_header("Retry-After", "1")
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        said = f"you said {self.headers.get('Authorization')}".encode() if self.proxy.echo else b""
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _break(self, *, hard: bool = True) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            if hard:
                # nobody lingers: the other end sees a reset
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""


@contextlib.contextmanager
def fault_proxy(target: str) -> Iterator[Proxy]:
    """A proxy for the server at HOST:PORT, as long as the context lasts."""
    host, _, port = target.rpartition(":")
    proxy = Proxy()
    handler = type("Handler", (_Handler,), {"proxy": proxy, "target": (host, int(port))})
    server = _Server(("127.0.0.1", 0), handler)
    proxy.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()
