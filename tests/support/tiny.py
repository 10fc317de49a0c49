"""Tiny wheels, source archives, Debian packages, and servers that misbehave on request."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import ssl
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lapstrake import process

_DATE = (2024, 1, 1, 0, 0, 0)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel(
    folder: Path,
    name: str,
    version: str,
    requires: Sequence[str] = (),
    *,
    extras: Sequence[str] = (),
    tag: str = "py3-none-any",
    body: bytes = b"",
    more: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a wheel with one module; `requires` are its Requires-Dist lines, `more` its files."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    lines += [f"Provides-Extra: {e}" for e in extras]
    lines += [f"Requires-Dist: {r}" for r in requires]
    files = {
        f"{name}/__init__.py": body,
        **(more or {}),
        f"{info}/METADATA": "\n".join([*lines, ""]).encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    lines = [f"{n},sha256={_record_hash(c)},{len(c)}\n" for n, c in files.items()]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    with zipfile.ZipFile(path, "w") as zipped:
        for entry, content in files.items():
            zipped.writestr(zipfile.ZipInfo(entry, _DATE), content)
    return path


def _record_hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def sdist(folder: Path, name: str, version: str, pyproject: str | None) -> Path:
    """Write a source archive whose metadata need no build."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    files = {"PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"}
    if pyproject is not None:
        files["pyproject.toml"] = pyproject
    with tarfile.open(path, "w:gz") as tar:
        for entry, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{entry}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


class AptRepository:
    """An unsigned apt repository in a folder: add packages, then publish a suite."""

    def __init__(self, folder: Path, origin: str = "Debian") -> None:
        self.folder = folder
        self.origin = origin
        self.paragraphs: dict[str, str] = {}

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def add(self, name: str, version: str = "1.0", fields: str = "") -> Path:
        """Build a package; `fields` are more lines for its control file."""
        made = self.folder / "make" / name
        (made / "DEBIAN").mkdir(parents=True, exist_ok=True)
        control = (
            f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
            f"Maintainer: nobody <nobody@example.invalid>\nDescription: tiny\n{fields}"
        ).rstrip("\n")
        (made / "DEBIAN/control").write_text(f"{control}\n")
        path = self.folder / f"pool/{name}_{version.replace(':', '%3a')}_amd64.deb"
        path.parent.mkdir(exist_ok=True)
        process.run(["dpkg-deb", "--root-owner-group", "--build", made, path])
        self.paragraphs[name] = (
            f"{control}\nFilename: pool/{path.name}\nSize: {path.stat().st_size}\n"
            f"SHA256: {sha256(path)}\n"
        )
        return path

    def essentials(self, python: str = "3.11.2") -> None:
        """What a root needs at the least, and a Python."""
        minor = python.rpartition(".")[0]
        self.add("libc6", "2.36-9")
        self.add("base-files", "12", "Essential: yes\nPre-Depends: libc6")
        self.add("apt", "2.6.1", "Depends: libc6 (>= 2.34)")
        self.add(f"python{minor}-minimal", f"{python}-6", "Depends: libc6")
        self.add("python3", f"{python}-1", f"Depends: python{minor}-minimal")

    def publish(self, suite: str = "bookworm") -> None:
        """Write the suite's indexes."""
        dists = self.folder / "dists" / suite
        index = dists / "main/binary-amd64/Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text("\n".join(self.paragraphs[n] for n in sorted(self.paragraphs)))
        size = index.stat().st_size
        (dists / "Release").write_text(
            f"Origin: {self.origin}\nSuite: {suite}\nCodename: {suite}\n"
            "Date: Mon, 01 Jan 2024 00:00:00 UTC\nArchitectures: amd64\nComponents: main\n"
            f"SHA256:\n {sha256(index)} {size} main/binary-amd64/Packages\n"
        )


Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request; `reply` answers it."""

    protocol_version = "HTTP/1.1"
    answer: Answer
    seen: list[tuple[str, str, str | None]]

    def do_GET(self) -> None:
        self.seen.append((self.command, self.path, self.headers.get("Range")))
        type(self).answer(self)

    do_HEAD = do_PUT = do_POST = do_GET  # noqa: N815

    def reply(
        self,
        code: int,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        announce: int | None = None,
    ) -> None:
        """Answer; with `announce`, say another length than is sent, and hang up."""
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if announce is None else announce))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = announce is not None

    def first_byte(self) -> int:
        """Where the range that is asked for begins."""
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0

    def log_message(self, *args: object) -> None:
        pass


class Served:
    """A server's address and the requests that it has seen: (method, path, range)."""

    def __init__(self, scheme: str, port: int, seen: list[tuple[str, str, str | None]]) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.port = port
        self.seen = seen


@contextlib.contextmanager
def serve(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Served]:
    """A server on a free port of loopback that answers every request with `answer`."""
    seen: list[tuple[str, str, str | None]] = []
    handler = type("Handler", (Request,), {"answer": staticmethod(answer), "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Served("https" if context else "http", server.server_address[1], seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def serving(folder: Path) -> Answer:
    """Answers with a folder's files; knows ranges."""

    def answer(request: Request) -> None:
        path = folder / request.path.lstrip("/").replace("%2B", "+").replace("%3A", ":")
        if not path.is_file():
            request.reply(404)
            return
        content, start = path.read_bytes(), request.first_byte()
        request.reply(206 if start else 200, content[start:])

    return answer
