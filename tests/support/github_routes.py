"""How the operations of the tests' GitHub are written: a function, registered by its path."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.github_state import User

if TYPE_CHECKING:
    from support.github_api import GithubApi

R = "/repos/{owner}/{repo}"


@dataclass(frozen=True)
class Request:
    """A request as it came; `user` is None where it had no token."""

    method: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    user: User | None
    push: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True)
class Answer:
    """An answer.

    `rows` are cut into pages, shown each by `view`, and go under `key` of the value where one is
    given.
    """

    status: int
    value: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Any] | None = None
    view: Callable[[Any], Any] = lambda row: row
    key: str = ""


class Refused(Exception):
    """An error of the API."""

    def __init__(self, status: int, message: str, *errors: Mapping[str, str]) -> None:
        super().__init__(message)
        value: dict[str, Any] = {
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": str(status),
        }
        if status == 422:
            del value["status"]
            value["errors"] = list(errors)
        self.answer = Answer(status, value)


Handler = Callable[["GithubApi", Request], Answer]
ROUTES: list[tuple[str, str, bool, Handler]] = []


def route(method: str, template: str, *, writes: bool = False) -> Callable[[Handler], Handler]:
    """Register a function; `writes` asks for a token that may."""

    def register(handler: Handler) -> Handler:
        ROUTES.append((method, template, writes, handler))
        return handler

    return register


def not_found() -> Refused:
    """What GitHub says of what isn't there, or not for this token."""
    return Refused(404, "Not Found")


def invalid(resource: str, name: str, code: str) -> Refused:
    """What GitHub says of a field that it doesn't take."""
    return Refused(422, "Validation Failed", {"resource": resource, "field": name, "code": code})
