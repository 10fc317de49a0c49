"""One package index: its addresses and its login."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lapstrake.definition.models import IndexSpec
from lapstrake.errors import UserError
from lapstrake.skopeo import is_loopback

# What GitHub Actions sets where a job may ask for proofs of its identity.
_OIDC = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")

TOKEN_USER = "__token__"  # noqa: S105


@dataclass(frozen=True)
class Identity:
    """Where a job gets proofs of what it is, and the token that lets it ask."""

    url: str
    bearer: str = field(repr=False)


@dataclass(frozen=True)
class Index:
    """Where wheels go.

    Attributes:
        name: what settings and messages call it.
        upload: where twine uploads to; `simple` where it can be read, ending in a slash.
        user, password: the login; empty where there is none.
        identity: what may be changed for a token where there is no login.
    """

    name: str
    upload: str
    simple: str
    user: str = ""
    password: str = field(default="", repr=False)
    identity: Identity | None = None

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password, where both are known."""
        return (self.user, self.password) if self.user and self.password else None

    def page(self, project: str) -> str:
        """The address of a project's list of files."""
        return f"{self.simple}{normalised(project)}/"


def normalised(project: str) -> str:
    """A project's name as every index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", project).lower()


def variables(name: str) -> tuple[str, str]:
    """The variables that hold the login of an index alone."""
    word = re.sub(r"[^A-Z0-9]", "_", name.upper())
    return f"TWINE_{word}_USERNAME", f"TWINE_{word}_PASSWORD"


def find_index(spec: IndexSpec, env: Mapping[str, str] = os.environ, *, alone: bool) -> Index:
    """The index of a setting, with its login.

    The login is that of `TWINE_<NAME>_PASSWORD`, then (where it is the only index: else one would
    learn the login of another) twine's own variables, then ~/.pypirc. Without one, a job on GitHub
    that may prove its identity does that where the index wants a login.

    Args:
        spec: what lapstrake.yaml says of it.
        env: where logins are.
        alone: whether it is the only index.

    Raises:
        UserError: nothing says where it is.
    """
    known = {} if spec.upload else _known_to_twine(spec.name)
    upload = spec.upload or known.get("repository", "")
    names = [variables(spec.name)]
    if alone:
        names.append(("TWINE_USERNAME", "TWINE_PASSWORD"))
    for user, password in names:
        if env.get(password):
            return _index(spec, upload, env.get(user) or TOKEN_USER, env[password])
    if known.get("password"):
        return _index(spec, upload, known.get("username") or TOKEN_USER, known["password"])
    return _index(spec, upload, "", "", _identity(upload, env))


def _index(
    spec: IndexSpec, upload: str, user: str, password: str, identity: Identity | None = None
) -> Index:
    simple = spec.simple or _simple_beside(upload)
    return Index(spec.name, upload, f"{simple.rstrip('/')}/", user, password, identity)


def _identity(upload: str, env: Mapping[str, str]) -> Identity | None:
    """The identity of this job; none for an index whose certificate nobody would check."""
    parts = urlsplit(upload)
    url, bearer = (env.get(n, "") for n in _OIDC)
    checked = parts.scheme == "https" and not is_loopback(parts.netloc)
    return Identity(url, bearer) if url and bearer and checked else None


def _simple_beside(upload: str) -> str:
    """Where what is uploaded can be read: `upload.HOST/legacy/` → `HOST/simple/`."""
    parts = urlsplit(upload)
    path = parts.path.rstrip("/")
    host = parts.netloc.removeprefix("upload.") if path.endswith("/legacy") else parts.netloc
    return parts._replace(netloc=host, path=f"{path.removesuffix('/legacy')}/simple/").geturl()


def _known_to_twine(name: str) -> dict[str, str]:
    """What twine has for a name, built in or in ~/.pypirc: repository, username, password."""
    from twine.exceptions import TwineException
    from twine.utils import DEFAULT_CONFIG_FILE, get_repository_from_config

    try:
        found = get_repository_from_config(DEFAULT_CONFIG_FILE, name)
    except (TwineException, OSError, ValueError):
        raise UserError(
            f"there is no index {name!r}",
            "release.indexes in lapstrake.yaml, or ~/.pypirc, says where it uploads to",
        ) from None
    return {k: str(v) for k, v in found.items() if v}
