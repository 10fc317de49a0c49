"""What an index holds: its simple pages (PEP 503 and 691), and whether it would take an upload."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import httpx

from lapstrake.errors import UserError
from lapstrake.fetch.http import client, loopback_client
from lapstrake.fetch.patience import PASSING, Passing, Patience, unreachable
from lapstrake.skopeo import is_loopback
from lapstrake_release.indexes.model import TOKEN_USER, Index, variables
from lapstrake_release.indexes.trusted import Exchange

T = TypeVar("T")

_REDIRECTS = 3
_REFUSED = frozenset({401, 403})
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


@dataclass(frozen=True)
class There:
    """A file that an index has; `sha256` is empty where the index doesn't tell it."""

    name: str
    url: str
    sha256: str


class IndexClient:
    """Reads one index; what may pass is tried again. To be closed.

    Args:
        index: which.
        pause: seconds before the first repetition; doubled each time.
    """

    def __init__(self, index: Index, pause: float = 0.5) -> None:
        self.index = index
        self._patience = Patience(pause, self._unreachable)
        self._welcome = False
        hosts = (_host(index.simple), _host(index.upload))
        self._http = loopback_client() if all(map(is_loopback, hosts)) else client()
        self._exchange = (
            Exchange(self._http, index, index.identity, pause) if index.identity else None
        )
        self._token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        self._http.close()

    def end(self) -> None:
        """Let who waits in another thread give up."""
        self._patience.end()
        if self._exchange is not None:
            self._exchange.end()

    def files(self, project: str) -> dict[str, There]:
        """The files of a project by name; none where the index has no such project."""

        def ask() -> dict[str, There]:
            answer = self._get(self.index.page(project), {"Accept": _ACCEPT})
            if answer is None:
                return {}
            found = _json_files if "json" in answer.headers.get("Content-Type", "") else _html_files
            try:
                return {f.name: f for f in found(answer)}
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise Passing(f"its page of {project} can't be read") from error

        return self._patiently(ask)

    def sha256(self, there: There) -> str:
        """The SHA-256 of a file, which is fetched where the index doesn't tell it."""
        if there.sha256:
            return there.sha256

        def ask() -> str:
            answer = self._get(there.url, {})
            return "" if answer is None else hashlib.sha256(answer.content).hexdigest()

        return self._patiently(ask)

    def content(self, there: There) -> bytes:
        """The bytes of a file; empty where it isn't there after all."""

        def ask() -> bytes:
            answer = self._get(there.url, {})
            return b"" if answer is None else answer.content

        return self._patiently(ask)

    def check_upload(self, *, announced: bool = False) -> None:
        """See that an upload would be let in: one without a file is refused for that alone.

        Args:
            announced: a token got by trusted publishing would make a project that the index
                doesn't have yet. None is asked for; that the job can prove itself is enough.

        Raises:
            UserError: the index can't be reached, or refuses the login.
        """

        def ask() -> None:
            if announced and self._wants_proof():
                return
            answer = self._admitted(self._post_nothing)
            if answer.status_code in PASSING:
                raise Passing.answered(answer)
            self._check_login(answer)
            # what takes uploads complains of the form
            if answer.status_code in {404, 405, 410} or not answer.is_client_error:
                raise UserError(
                    f"{self.index.name} takes no uploads at {self.index.upload} "
                    f"(HTTP {answer.status_code})",
                    "release.indexes in lapstrake.yaml says where it does",
                )

        self._patiently(ask)

    def for_upload(self) -> Index:
        """The index with a login: its own, or a token as young as can be (they don't last).

        Raises:
            UserError: as `check_upload` does.
        """
        if self._exchange is None:
            return self.index
        self._token = ""
        self.check_upload()
        return replace(self.index, user=TOKEN_USER, password=self._token, identity=None)

    def _post_nothing(self, auth: httpx.Auth) -> httpx.Response:
        form = {":action": "file_upload", "protocol_version": "1"}
        return self._http.post(self.index.upload, data=form, auth=auth, follow_redirects=False)

    def _wants_proof(self) -> bool:
        """Whether an upload needs a proof of identity, which can be had."""
        if self._exchange is None or self._token:
            return False
        answer = self._post_nothing(httpx.Auth())
        return answer.status_code in _REFUSED and bool(self._exchange.proof())

    def _admitted(self, ask: Callable[[httpx.Auth], httpx.Response]) -> httpx.Response:
        """An answer; where none is given without a login, one is got for it."""
        answer = ask(self._auth())
        if answer.status_code in _REFUSED and self._exchange is not None:
            # also where there was a token before: it may have expired
            self._token = self._exchange.token()
            return ask(self._auth()) if self._token else answer
        return answer

    def _get(self, url: str, headers: dict[str, str]) -> httpx.Response | None:
        """What lies there; None for nothing. The login goes to the index's own host alone."""
        for _ in range(_REDIRECTS):
            ask = functools.partial(self._ask, url, headers)
            own = _origin(url) == _origin(self.index.simple)
            answer = self._admitted(ask) if own else ask(httpx.Auth())
            if answer.status_code in PASSING:
                raise Passing.answered(answer)
            self._check_login(answer)
            if not answer.has_redirect_location:
                break
            url = urljoin(url, answer.headers["Location"])
            if headers and _origin(url) != _origin(self.index.simple):
                # an index that hasn't a project sends us to another one: that isn't what it has
                return None
        if answer.status_code in {404, 410}:
            return None
        if answer.status_code != 200:
            raise UserError(f"{self.index.name} answers HTTP {answer.status_code} for {url}")
        return answer

    def _ask(self, url: str, headers: dict[str, str], auth: httpx.Auth) -> httpx.Response:
        return self._http.get(url, headers=headers, auth=auth, follow_redirects=False)

    def _auth(self) -> httpx.Auth:
        login = (TOKEN_USER, self._token) if self._token else self.index.login
        return httpx.BasicAuth(*login) if login else httpx.Auth()

    def _check_login(self, answer: httpx.Response) -> None:
        if answer.status_code not in _REFUSED:
            self._welcome = True
            return
        if self._token:
            raise UserError(
                f"{self.index.name} refuses the token that it gave this job "
                f"(HTTP {answer.status_code})",
                "see there which projects this repository is a trusted publisher of",
            )
        if self._welcome and self._exchange is None:
            # the same login was good before: whatever keeps them may be restarting
            raise Passing.answered(answer)
        if self.index.login is not None:
            raise UserError(
                f"{self.index.name} refuses the login (HTTP {answer.status_code})",
                f"check ${variables(self.index.name)[1]}, or the token's rights",
            )
        user, password = variables(self.index.name)
        raise UserError(
            f"{self.index.name} wants a login", f"set ${password} (and ${user} unless it's a token)"
        )

    def _patiently(self, work: Callable[[], T]) -> T:
        """Try again what may pass."""
        return self._patience.work(work)

    def _unreachable(self, error: Exception) -> UserError:
        return unreachable(error, self.index.name, _host(self.index.upload), "index")


def _json_files(answer: httpx.Response) -> Iterator[There]:
    page: dict[str, Any] = answer.json()
    for file in page["files"]:
        url = urljoin(str(answer.url), file["url"])
        yield There(file["filename"], url, str(file.get("hashes", {}).get("sha256", "")))


def _html_files(answer: httpx.Response) -> Iterator[There]:
    parser = _Links()
    parser.feed(answer.text)
    for link in parser.links:
        url, fragment = urldefrag(urljoin(str(answer.url), link))
        name = unquote(urlsplit(url).path.rpartition("/")[2])
        yield There(name, url, fragment.removeprefix("sha256=") if "sha256=" in fragment else "")


class _Links(HTMLParser):
    """The addresses of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take those of anchors."""
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.links.append(href)


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
