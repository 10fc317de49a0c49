"""A registry that wants tokens, and the server that gives them: the registry checks each."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from lapstrake import process
from support.registry import serve_registry
from support.tiny import Request, serve


@dataclass
class Tokens:
    """HOST:PORT of the registry; the scope of every token that was given, and its lifetime."""

    host: str = ""
    seconds: float = 300
    scopes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serve_with_tokens(folder: Path, user: str, password: str) -> Iterator[Tokens]:
    """Everybody may pull; who logs in may push."""
    folder.mkdir(parents=True)
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    process.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tokens"),
            *("-keyout", key, "-out", certificate, "-days", "2"),
        ]
    )
    login = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    found = Tokens()

    def answer(request: Request) -> None:
        given = request.headers.get("Authorization")
        if given is not None and given != login:
            request.reply(401)
            return
        query = parse_qs(urlsplit(request.path).query)
        found.scopes += query.get("scope", [])
        access = [_access(scope, given is not None) for scope in query.get("scope", [])]
        token = _token(key, certificate, access, found.seconds)
        request.reply(200, json.dumps({"token": token}).encode())

    with serve(answer) as server:
        more = f"""\
auth:
  token:
    realm: {server.url}/token
    service: registry
    issuer: tokens
    rootcertbundle: {certificate}
"""
        with serve_registry(folder / "registry", more=more) as found.host:
            yield found


def _access(scope: str, may_push: bool) -> dict[str, object]:
    kind, name, actions = scope.split(":")
    allowed = {"pull", "push"} if may_push else {"pull"}
    return {"type": kind, "name": name, "actions": sorted(set(actions.split(",")) & allowed)}


def _token(key: Path, certificate: Path, access: list[dict[str, object]], seconds: float) -> str:
    lines = certificate.read_text().splitlines()
    head = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(x for x in lines if "-" not in x)]}
    now = int(time.time())
    # the registry allows a minute for clocks that differ
    body = {
        "iss": "tokens",
        "sub": "",
        "aud": "registry",
        "exp": int(now + seconds),
        "nbf": now - 600,
        "iat": now,
        "jti": str(now),
        "access": access,
    }
    text = ".".join(_encoded(json.dumps(x).encode()) for x in (head, body))
    signed = process.run(
        ["sh", "-c", 'openssl dgst -sha256 -sign "$1" | base64 -w0', "sh", key],
        stdin=text.encode(),
    ).stdout
    return f"{text}.{_encoded(base64.b64decode(signed))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
