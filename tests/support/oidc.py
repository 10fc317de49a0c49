"""Indexes with trusted publishing and GitHub's service for identities, under names of their own.

A proxy on loopback leads to them, as in a company: TLS and certificates are real, and the addresses
those that PyPI has.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
from twine.utils import DEFAULT_REPOSITORY

from support.fault_proxy import Proxy, fault_proxy
from support.pypi import serve_pypi
from support.tiny import Request, serve
from support.tls import authority, server_side

GITHUB = "identity.actions.example"
_UPLOAD = urlsplit(DEFAULT_REPOSITORY).netloc
PYPI = (_UPLOAD, _UPLOAD.removeprefix("upload."))
INSIDE = "packages.acme.example"
OPEN = "open.acme.example"

# what pypiserver wants; nobody but the server in front of it knows
_LOGIN = ("__token__", "canary-behind-0100")
_BEARER = "canary-bearer-0101"
_SIGNED_WITH = b"canary-key-0102"
_TOKEN = "pypi-canary-minted-"
_PROOF = "canary-proof-"
_HOP = {"connection", "transfer-encoding", "content-length", "authorization"}


@dataclass
class Trusting:
    """The servers. `refusal` is what is said to who wants a token; None where they get one.

    Attributes:
        indexes: what stands before each pypiserver, by the host that takes uploads.
        packages: the folder of each one's files.
        tokens: to which host each token is a login.
        offering: which hosts have trusted publishing.
        asked: how often, by host, method and path.
        secrets: everything that was issued.
    """

    env: dict[str, str]
    indexes: dict[str, Proxy] = field(default_factory=dict)
    packages: dict[str, Path] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    offering: set[str] = field(default_factory=lambda: {PYPI[0], INSIDE})
    asked: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    secrets: set[str] = field(default_factory=lambda: {_BEARER, _LOGIN[1]})
    refusal: tuple[int, dict[str, object]] | None = None
    used: set[str] = field(default_factory=set)

    def minted(self, host: str) -> int:
        """How often a token was asked of an index."""
        return self.asked[host, "POST", "/_/oidc/mint-token"]

    def uploaded(self, host: str) -> dict[str, bytes]:
        """The files that an index has."""
        return {p.name: p.read_bytes() for p in self.packages[host].iterdir()}

    def answer(self, request: Request) -> None:
        """Be the server that was called."""
        host, url = request.headers["Host"], urlsplit(request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.asked[host, request.command, url.path] += 1
        if host == GITHUB:
            self._identity(request, parse_qs(url.query))
        elif host in self.offering and url.path.startswith("/_/oidc/"):
            self._oidc(request, host, body)
        else:
            self._forward(request, host, body)

    def _identity(self, request: Request, query: Mapping[str, list[str]]) -> None:
        """GitHub's part: a signed proof for whoever knows the job's token."""
        if request.headers["Authorization"] != f"bearer {_BEARER}":
            request.reply(401, b'{"message": "unauthorized"}')
            return
        assert query["api-version"] == ["2.0"], query
        claims = {"aud": query["audience"][0], "jti": _PROOF + secrets.token_hex(8)}
        proof = _signed({**claims, "repository": "acme/fam", "exp": time.time() + 300})
        self.secrets |= {proof, claims["jti"]}
        request.reply(200, json.dumps({"count": len(proof), "value": proof}).encode())

    def _oidc(self, request: Request, host: str, body: bytes) -> None:
        """The index's part: a token for a proof that was made for this index, once."""
        if request.path.endswith("/audience"):
            request.reply(200, json.dumps({"audience": _audience(host)}).encode())
            return
        proof = json.loads(body)["token"]
        if self.refusal is not None:
            code, said = self.refusal
            request.reply(code, json.dumps(said).replace("THE PROOF", proof).encode())
            return
        claims = _claims(proof)
        assert claims["aud"] == _audience(host), claims
        assert claims["jti"] not in self.used, "a proof is used again"
        self.used.add(str(claims["jti"]))
        token = _TOKEN + secrets.token_hex(8)
        self.tokens[token] = host
        self.secrets |= {token, base64.b64encode(f"__token__:{token}".encode()).decode()}
        request.reply(200, json.dumps({"success": True, "token": token}).encode())

    def _forward(self, request: Request, host: str, body: bytes) -> None:
        """Everything else is for pypiserver; a token that is good here becomes its login."""
        upload = PYPI[0] if host in PYPI else host
        login = self._login(request.headers.get("Authorization", ""), upload)
        # anybody may read what PyPI has
        auth = httpx.BasicAuth(*_LOGIN) if login or host == PYPI[1] else httpx.Auth()
        path = request.path.removeprefix("/legacy") if host == PYPI[0] else request.path
        answer = httpx.request(
            request.command,
            f"http://{self.indexes[upload].host}{path}",
            headers={k: v for k, v in request.headers.items() if k.lower() not in _HOP},
            content=body,
            auth=auth,
            trust_env=False,
        )
        headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
        request.reply(answer.status_code, answer.content, headers=headers)

    def _login(self, header: str, host: str) -> bool:
        given = base64.b64decode(header.removeprefix("Basic ")).decode()
        user, _, password = given.partition(":")
        return user == "__token__" and self.tokens.get(password) == host


def _audience(host: str) -> str:
    return f"audience of {host}"


def _signed(claims: Mapping[str, object]) -> str:
    """A JSON web token."""
    parts = [json.dumps(x).encode() for x in ({"alg": "HS256", "typ": "JWT"}, claims)]
    text = b".".join(base64.urlsafe_b64encode(x).rstrip(b"=") for x in parts)
    mark = hmac.new(_SIGNED_WITH, text, hashlib.sha256).digest()
    return f"{text.decode()}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def _claims(proof: str) -> dict[str, object]:
    """What a token says, which is to be signed and not expired."""
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(proof.split(".")[1] + "=="))
    assert proof == _signed(claims)
    assert float(str(claims["exp"])) > time.time()
    return claims


class Tunnels:
    """A proxy for TLS: `CONNECT HOST:443` leads to a port of loopback, for some hosts."""

    def __init__(self, hosts: frozenset[str], port: int) -> None:
        self._hosts, self._port = hosts, port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._tunnel, args=(near,), daemon=True).start()

    def _tunnel(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(1 << 14) or b"\r\n\r\n"
            method, target, *_ = [*head.decode().split(), "", ""]
            if method != "CONNECT" or target.removesuffix(":443") not in self._hosts:
                near.sendall(b"HTTP/1.1 502 No such host\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._port)) as far:
                near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_pass, args=(far, near), daemon=True)
                back.start()
                _pass(near, far)
                back.join()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def serve_trusting(folder: Path) -> Iterator[Trusting]:
    """PyPI, an index of a company's own, and one that wants no login; and GitHub's service."""
    found = Trusting({})
    hosts = (GITHUB, *PYPI, INSIDE, OPEN)
    folder.mkdir()
    ca, certificate, key = authority(folder, ",".join(f"DNS:{h}" for h in hosts))
    with contextlib.ExitStack() as stack:
        for host, login in ((PYPI[0], _LOGIN), (INSIDE, _LOGIN), (OPEN, None)):
            url = stack.enter_context(serve_pypi(folder / host, login))
            behind = url.removeprefix("http://").strip("/")
            found.indexes[host] = stack.enter_context(fault_proxy(behind))
            found.packages[host] = folder / host / "packages"
        server = stack.enter_context(serve(found.answer, server_side(certificate, key)))
        tunnels = stack.enter_context(contextlib.closing(Tunnels(frozenset(hosts), server.port)))
        found.env |= {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"https://{GITHUB}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": _BEARER,
            "HTTPS_PROXY": tunnels.url,
            "SSL_CERT_FILE": str(ca),
            "REQUESTS_CA_BUNDLE": str(ca),
            "LAPSTRAKE_TIMEOUT": "3",
        }
        yield found
