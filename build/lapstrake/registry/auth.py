"""Answers to a registry's challenges: Basic, and Bearer tokens of the realm that it names."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator

import httpx

from lapstrake.errors import UserError
from lapstrake.fetch.download import shown
from lapstrake.redact import MASK
from lapstrake.registry.credentials import Credentials
from lapstrake.skopeo import is_loopback

Flow = Generator[httpx.Request, httpx.Response, None]

_CHALLENGE = re.compile(r"\s*(\w+)\s+(.*)", re.DOTALL)
_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


class RegistryAuth(httpx.Auth):
    """Logs in where the registry asks for it, once for all requests of a client.

    Nothing is sent to any other host than the registry and the realm that it names: not to where
    it redirects a download, nor to an upload's address elsewhere.

    Args:
        url: the registry's.
        find: the login for it; called when it is wanted.
    """

    def __init__(self, url: str, find: Callable[[], Credentials | None]) -> None:
        self._registry = _origin(httpx.URL(url))
        self._find = find
        self._lock = threading.Lock()
        self._header = ""
        self._found: Credentials | None = None
        self._asked = False

    @property
    def has_login(self) -> bool:
        """Whether a login was found, where one was wanted."""
        return self._found is not None

    def hide(self, text: str) -> str:
        """What a server says, which may repeat what it was told, without the login."""
        login = self._found
        secrets = [self._header.partition(" ")[2]]
        if login is not None:
            secrets += [login.password, login.identity, login.basic.partition(" ")[2]]
        for secret in filter(None, secrets):
            text = text.replace(secret, MASK)
        return text

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """See `httpx.Auth`: the request, and once more with a login where one is asked for."""
        if _origin(request.url) != self._registry:
            yield request
            return
        used = self._header
        if used:
            request.headers["Authorization"] = used
        response = yield request
        if response.status_code != 401 or _origin(response.url) != self._registry:
            return
        # one token for all who were refused at once
        with self._lock:
            if self._header == used:
                yield from self._renew(response)
            renewed = self._header
        if renewed:
            request.headers["Authorization"] = renewed
            yield request

    def _renew(self, response: httpx.Response) -> Flow:
        """Have another header; none where there is nothing to answer with."""
        self._header = ""
        found = _CHALLENGE.match(response.headers.get("WWW-Authenticate", ""))
        if found is None:
            return
        if not self._asked:
            self._found, self._asked = self._find(), True
        if found[1].lower() == "basic":
            self._header = self._found.basic if self._found else ""
        elif found[1].lower() == "bearer":
            fields = {name: quoted or bare for name, quoted, bare in _FIELD.findall(found[2])}
            answer = yield self._token_request(fields)
            answer.read()
            self._header = _bearer(answer)

    def _token_request(self, fields: dict[str, str]) -> httpx.Request:
        realm = fields.get("realm", "")
        url = httpx.URL(realm)
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
            raise UserError(
                f"{self._registry[1]} sends logins to {shown(realm) or 'nowhere'}, without TLS",
                "only loopback may go without",
            )
        query = {k: fields[k] for k in ("service", "scope") if fields.get(k)}
        login = self._found
        if login is not None and login.identity:
            form = {**query, "grant_type": "refresh_token", "refresh_token": login.identity}
            return httpx.Request("POST", url, data={**form, "client_id": "lapstrake"})
        headers = {"Authorization": login.basic} if login is not None else {}
        return httpx.Request("GET", url.copy_merge_params(query), headers=headers)


def _bearer(answer: httpx.Response) -> str:
    """The header with the token of an answer; empty where the login was refused.

    Raises:
        httpx.RemoteProtocolError: the answer is another; it may pass.
    """
    if answer.status_code in {400, 401, 403}:
        return ""
    try:
        said = answer.json() if answer.status_code == 200 else {}
        token = said.get("token") or said.get("access_token")
    except (ValueError, AttributeError):
        token = None
    if not token:
        message = f"{shown(str(answer.url))} gives no token (HTTP {answer.status_code})"
        raise httpx.RemoteProtocolError(message)
    return f"Bearer {token}"


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
