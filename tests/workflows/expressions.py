"""`${{ … }}` as GitHub evaluates it, but strict: what is unknown fails instead of being empty."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>\d+)|(?P<sign>&&|\|\||==|!=|[!()\[\],.])"
    r"|(?P<name>[A-Za-z_][\w-]*))"
)
_LITERALS = {"true": True, "false": False, "null": None}


class Unknown(AssertionError):
    """An expression names what isn't there, or can't be read."""


def resolve(value: Any, contexts: Mapping[str, Any]) -> Any:
    """A value of a workflow with its expressions replaced.

    A text that is one expression becomes its value, of any type; within a text, values become text.
    """
    if isinstance(value, Mapping):
        return {k: resolve(v, contexts) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(v, contexts) for v in value]
    if not isinstance(value, str):
        return value
    if whole := _EXPRESSION.fullmatch(value.strip()):
        return evaluate(whole[1], contexts)
    return _EXPRESSION.sub(lambda m: as_text(evaluate(m[1], contexts)), value)


def as_text(value: Any) -> str:
    """As GitHub writes it into a text or a variable."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def evaluate(text: str, contexts: Mapping[str, Any]) -> Any:
    """The value of one expression."""
    return _Parser(text, contexts).whole()


class _Parser:
    """Reads an expression from left to right, and evaluates what it has read."""

    def __init__(self, text: str, contexts: Mapping[str, Any]) -> None:
        self._text = text
        self._contexts = contexts
        self._tokens = list(_tokens(text))
        self._at = 0

    def whole(self) -> Any:
        value = self._either()
        self._check(self._at == len(self._tokens), "something is left over")
        return value

    def _either(self) -> Any:
        value = self._both()
        while self._next_is("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._next_is("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._negated()
        for sign in ("==", "!="):
            if self._next_is(sign):
                other = self._negated()
                self._check(type(value) is type(other), f"{value!r} {sign} {other!r}: two types")
                return (value == other) is (sign == "==")
        return value

    def _negated(self) -> Any:
        return not self._negated() if self._next_is("!") else self._single()

    def _single(self) -> Any:
        if self._next_is("("):
            value = self._either()
            self._check(self._next_is(")"), "a ) is missing")
            return value
        kind, token = self._take()
        if kind == "string":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return int(token)
        self._check(kind == "name", f"{token} is out of place")
        if token in _LITERALS:
            return _LITERALS[token]
        return self._call(token) if self._next_is("(") else self._context(token)

    def _call(self, name: str) -> Any:
        arguments = []
        while not self._next_is(")"):
            arguments.append(self._either())
            self._next_is(",")
        known: dict[str, Callable[..., Any]] = {
            "format": lambda form, *more: form.format(*map(as_text, more)),
            "fromJSON": json.loads,
            "always": lambda: True,
            **{n: self._status(n) for n in ("success", "failure", "cancelled")},
        }
        self._check(name in known, f"there is no function {name} here")
        return known[name](*arguments)

    def _status(self, name: str) -> Callable[[], bool]:
        return lambda: self._contexts["status"] == name

    def _context(self, name: str) -> Any:
        self._check(name in self._contexts and name != "status", f"there is no {name} here")
        value = self._contexts[name]
        parts = [name]
        while self._next_is("."):
            parts.append(self._take()[1])
            value = self._part(value, parts)
        return value

    def _part(self, value: Any, parts: list[str]) -> Any:
        """A part of a context; what an event doesn't have is null."""
        if parts[:2] == ["github", "event"] and len(parts) > 2:
            return value.get(parts[-1]) if value is not None else None
        known = isinstance(value, Mapping) and parts[-1] in value
        self._check(known, f"there is no {parts[-1]} here")
        return value[parts[-1]]

    def _next_is(self, sign: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign)
        self._at += found
        return found

    def _take(self) -> tuple[str, str]:
        self._check(self._at < len(self._tokens), "it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _check(self, good: bool, why: str) -> None:
        if not good:
            raise Unknown(f"{self._text.strip()!r}: {why}")


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at, text = [], 0, text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unknown(f"{text!r} can't be read at {text[at:]!r}")
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        at = match.end()
    return found
