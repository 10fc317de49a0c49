"""GitHub's REST API on loopback, stateful, over real git.

Every request and every answer is validated against GitHub's published description; what doesn't
fit fails the test at the context's end. Accidents can be ordered with `Fault`.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from support import github_git, github_issues, github_releases
from support.github_openapi import description
from support.github_routes import ROUTES, Answer, Refused, Request
from support.github_state import Asset, Repository, asset_name
from support.github_views import Views

TOKEN = "ghp_" + "test" * 9

_UPLOADS = "/_uploads"
_PARTS = (github_git, github_issues, github_releases)  # they register their functions

# Parts of a path that may have slashes.
_LONG = {"ref", "basehead", "path"}


@dataclass
class Fault:
    """An accident to the requests of a method whose path a pattern finds.

    Attributes:
        kind: `answer` with a status instead of working; `reset` the connection before it works, or
            (`lost`) after; `half` of an upload arrives, and the connection is reset.
        after: so many such requests work first; `times` is how many then don't.
    """

    method: str
    path: str
    kind: Literal["answer", "reset", "lost", "half"] = "answer"
    status: int = 500
    message: str = "Server Error"
    headers: Mapping[str, str] = field(default_factory=dict)
    after: int = 0
    times: int = 1
    happened: int = 0

    def takes(self, method: str, path: str) -> bool:
        if method != self.method or not re.search(self.path, path):
            return False
        if self.after or self.happened >= self.times:
            self.after = max(self.after - 1, 0)
            return False
        self.happened += 1
        return True


def secondary_limit(method: str, path: str, seconds: int = 0, **more: Any) -> Fault:
    """GitHub's limit of how fast things may be made."""
    said = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    )
    return Fault(
        method, path, status=403, message=said, headers={"Retry-After": str(seconds)}, **more
    )


@dataclass(frozen=True)
class Seen:
    """A request that came, and the status of its answer; 0 where it had none."""

    method: str
    path: str
    status: int


class GithubApi:
    """The server's state, for tests to set and look at.

    Attributes:
        tokens: whose each is, and whether it may write.
        remaining: how many more requests the rate limit allows; `reset` is when it ends.
        violations: what didn't fit the description.
        moment: called before and after each request is worked on.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.description = description()
        self.tokens: dict[str, tuple[str, bool]] = {TOKEN: ("release-bot", True)}
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.violations: list[str] = []
        self.moment: Callable[[], None] = lambda: None
        self.remaining = 5000
        self.reset = int(time.time()) + 3600
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.views = Views(self.description, repository, self.url)
        self._routes = [(m, _pattern(t), t, w, h) for m, t, w, h in ROUTES]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, method: str, path: str) -> int:
        """How many requests of a method came whose path a pattern finds."""
        return sum(s.method == method and bool(re.search(path, s.path)) for s in self.seen)

    @property
    def env(self) -> dict[str, str]:
        """What a program has to have in its environment to find this GitHub."""
        return {"GITHUB_API_URL": self.url, "GITHUB_TOKEN": TOKEN}

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What is answered to a request."""
        parts = urlsplit(target)
        path = parts.path.removeprefix(_UPLOADS)
        found = next(((r, m) for r in self._routes if (m := _match(r, method, path))), None)
        if found is None:
            self.violations.append(f"{method} {target}: no such operation here")
            return Refused(404, "Not Found").answer
        (_, _, template, writes, handler), match = found
        where = {k: unquote(v) for k, v in match.groupdict().items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        kind = headers.get("content-type", "")
        about = f"{method} {target}"
        servers = self.description.operation(method, template).get("servers")
        if bool(servers) != parts.path.startswith(_UPLOADS):
            self.violations.append(f"{about}: it is for another host")
        if method == "POST" and template.endswith("/labels") and body.startswith(b"["):
            # which the description allows in words alone
            body = b'{"labels":%s}' % body
        before = len(self.violations)
        self._note(
            about,
            self.description.request_problems(method, template, where, query, kind, body),
        )
        if len(self.violations) > before:
            return Refused(400, "This is no request that the description knows").answer
        with self.repository.lock:
            try:
                login, push = self._admitted(headers, where, writes)
                user = self.repository.user(login) if login else None
                request = Request(method, where, query, headers, body, user, push)
                answer = handler(self, request)
            except Refused as refused:
                answer = refused.answer
        answer = _page(answer, f"{self.url}{parts.path}", query)
        self.check(about, method, template, answer)
        return answer

    def fault(self, method: str, target: str) -> Fault | None:
        """The accident that a request is to have."""
        with self.repository.lock:
            path = urlsplit(target).path
            return next((f for f in self.faults if f.takes(method, path)), None)

    def refuse(self, fault: Fault, method: str, target: str) -> Answer:
        """The answer of a fault, which has to be one of GitHub's as well."""
        answer = Refused(fault.status, fault.message).answer
        path = urlsplit(target).path.removeprefix(_UPLOADS)
        template = next(t for m, p, t, _, _ in self._routes if m == method and p.fullmatch(path))
        answer = Answer(answer.status, answer.value, {**fault.headers})
        self.check(f"{method} {target}", method, template, answer)
        return answer

    def check(self, about: str, method: str, template: str, answer: Answer) -> None:
        """Note what is wrong with an answer."""
        problems = self.description.answer_problems(method, template, answer.status, answer.value)
        self._note(f"{about} -> {answer.status}", problems)

    def keep_half(self, target: str, body: bytes) -> None:
        """What GitHub has of a file whose upload was cut off."""
        parts = urlsplit(target)
        number = int(parts.path.split("/")[-2])
        name = asset_name(dict(parse_qsl(parts.query))["name"])
        with self.repository.lock:
            release = self.repository.find_release(number)
            assert release is not None
            bot = self.repository.user("release-bot")
            release.assets.append(Asset(self.repository.id(), name, body, bot, state="starter"))

    def _note(self, about: str, problems: Iterator[str]) -> None:
        self.violations += [f"{about}: {problem}" for problem in problems]

    def _admitted(
        self, headers: Mapping[str, str], where: Mapping[str, str], writes: bool
    ) -> tuple[str, bool]:
        """Whose token it is and whether it may write."""
        login, push = "", False
        if given := headers.get("authorization", ""):
            known = self.tokens.get(given.partition(" ")[2])
            if known is None:
                raise Refused(401, "Bad credentials")
            login, push = known
        if time.time() >= self.reset:
            self.remaining, self.reset = 5000, int(time.time()) + 3600
        if self.remaining <= 0:
            raise Refused(403, f"API rate limit exceeded for {login or '127.0.0.1'}.")
        self.remaining -= 1
        if "repo" in where and f"{where['owner']}/{where['repo']}" != self.repository.full_name:
            raise Refused(404, "Not Found")
        if writes and not login:
            raise Refused(401, "Requires authentication")
        if writes and not push:
            raise Refused(403, "Resource not accessible by personal access token")
        return login, push


@contextlib.contextmanager
def serve_github(git: Path, name: str = "octo/fam") -> Iterator[GithubApi]:
    """GitHub with one repository, whose git lies in a folder; `name` is `OWNER/NAME`."""
    owner, _, own = name.partition("/")
    api = GithubApi(Repository(git, owner, own))
    # a developer's proxy would be asked for loopback, too
    proxies = {k: os.environ.pop(k) for k in list(os.environ) if k.lower().endswith("_proxy")}
    try:
        yield api
    finally:
        os.environ.update(proxies)
        api.close()
    assert not api.violations, "\n".join(api.violations)


def _pattern(template: str) -> re.Pattern[str]:
    def part(found: re.Match[str]) -> str:
        return f"(?P<{found[1]}>{'.+' if found[1] in _LONG else '[^/]+'})"

    return re.compile(re.sub(r"\{(\w+)\}", part, template))


def _match(route: tuple[Any, ...], method: str, path: str) -> re.Match[str] | None:
    found: re.Match[str] | None = route[1].fullmatch(path) if route[0] == method else None
    return found


def _page(answer: Answer, url: str, query: Mapping[str, str]) -> Answer:
    """An answer with one page of its rows, and links to the others."""
    if answer.rows is None:
        return answer
    size = min(int(query.get("per_page", 30)), 100)
    at = int(query.get("page", 1))
    last = max(-(-len(answer.rows) // size), 1)
    rows = [answer.view(row) for row in answer.rows[(at - 1) * size : at * size]]
    links = {"prev": at - 1, "next": at + 1, "first": 1, "last": last}
    wanted = [r for r in links if (at > 1 if r in {"prev", "first"} else at < last)]
    shown = [f'<{url}?{urlencode({**query, "page": links[r]})}>; rel="{r}"' for r in wanted]
    headers = {**answer.headers, **({"Link": ", ".join(shown)} if shown else {})}
    value = {**answer.value, answer.key: rows} if answer.key else rows
    return Answer(answer.status, value, headers)


class _Server(http.server.ThreadingHTTPServer):
    api: GithubApi
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A bug here fails the test; a client that went away does not."""
        if not isinstance(sys.exception(), ConnectionError):
            self.api.violations.append(traceback.format_exc())


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _work(self) -> None:
        api, length = self.server.api, int(self.headers.get("Content-Length", 0))
        if self.path.startswith("/_objects/"):
            self._send_object(int(self.path.rpartition("/")[2]))
            return
        fault = api.fault(self.command, self.path)
        if fault is not None and fault.kind == "half":
            api.keep_half(self.path, self.rfile.read(length // 2))
        if fault is not None and fault.kind in {"half", "reset"}:
            self._reset()
            return
        body = self.rfile.read(length)
        if fault is not None and fault.kind == "answer":
            self._send(api.refuse(fault, self.command, self.path))
            return
        headers = {k.lower(): v for k, v in self.headers.items()}
        api.moment()
        answer = api.answer(self.command, self.path, headers, body)
        api.moment()
        if fault is not None:
            self._reset()
        else:
            self._send(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _work  # noqa: N815

    def _send(self, answer: Answer) -> None:
        api = self.server.api
        data = b"" if answer.value is None else json.dumps(answer.value).encode()
        api.seen.append(Seen(self.command, self.path, answer.status))
        self.send_response(answer.status)
        limits = {"Limit": 5000, "Remaining": max(api.remaining, 0), "Reset": api.reset}
        for name, value in limits.items():
            self.send_header(f"X-RateLimit-{name}", str(value))
        for name, text in answer.headers.items():
            self.send_header(name, text)
        if data:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_object(self, number: int) -> None:
        data = next(a.data for _, a in self.server.api.repository.assets() if a.id == number)
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _reset(self) -> None:
        """Cut the connection as a failing network does."""
        self.server.api.seen.append(Seen(self.command, self.path, 0))
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.shutdown(socket.SHUT_RD)
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """A test's output is no server's log."""
