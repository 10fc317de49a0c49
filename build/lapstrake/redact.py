"""Secrets of whoever called us, and text without them.

What counts: the values of variables that are called like secrets (`…_TOKEN`, `…_PASSWORD`,
`…_SECRET`, most `…_KEY`), and credentials within URLs, wherever they stand.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

MASK = "***"

# Shorter values can't be told from words; hiding them would garble what we say.
SHORTEST = 6

_NAME = re.compile(
    r"(?:^|_)(?:\w*TOKEN|\w*PASSWORD|\w*PASSWD|PASSPHRASE|SECRET|CREDENTIALS?|PAT|KEY)"
    r"(?:_?\d+)?$"
)
# Keys that are meant to be seen, and what is a switch or a path rather than a secret.
_SEEN = re.compile(r"(?:^|_)(?:PUBLIC|SSH|PUB)_?KEY$|(?:^|_)MAX_TOKEN$")
_PATH = re.compile(r"(?:/|~/|\./)[^\n]*")

# user:password@ or token@, after a scheme; not what lies behind a slash
_IN_URL = re.compile(r"(?<=://)[^\s/@\"'<>]+(?:@[^\s/@\"'<>]+)*(?=@)")


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    upper = name.upper()
    return bool(_NAME.search(upper)) and not _SEEN.search(upper)


def secrets_in(env: Mapping[str, str]) -> frozenset[str]:
    """Every secret in an environment, without the forms that it takes when it is quoted."""
    found: set[str] = set()
    for name, value in env.items():
        if is_secret_name(name) and not _PATH.fullmatch(value):
            found |= {value.strip(), *(line.strip() for line in value.splitlines())}
        if "://" in value:
            found |= set(_url_secrets(value))
    return frozenset(x for x in found if len(x) >= SHORTEST)


def _url_secrets(value: str) -> Iterator[str]:
    """Passwords of URLs; a user name that stands alone is a token."""
    for login in _IN_URL.findall(value):
        user, colon, password = login.partition(":")
        secret = password if colon else user
        yield secret
        yield unquote(secret)


def redact(text: str, env: Mapping[str, str] = os.environ) -> str:
    """`text` with a mask in place of each secret of `env` and of all credentials in URLs."""
    if "://" in text:
        text = _IN_URL.sub(MASK, text)
    pattern = _pattern(secrets_in(env))
    return pattern.sub(MASK, text) if pattern else text


@functools.lru_cache(maxsize=8)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """What finds each secret, also as it stands in JSON, in `repr` and in a URL."""
    forms = {
        form
        for secret in secrets
        for form in (
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            repr(secret)[1:-1],
            ascii(secret)[1:-1],
            quote(secret, safe=""),
        )
    }
    # the longest first, since one may be the beginning of another
    words = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(re.escape, words))) if words else None
