"""Which repository, and with which token."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from lapstrake.errors import UserError
from lapstrake.skopeo import is_loopback
from lapstrake_release.github.categories import Categories, read_categories

API = "https://api.github.com"

# As `gh` reads them; in a workflow the first is `${{ github.token }}`.
TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")

_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class GithubSettings:
    """Where a draft goes.

    Attributes:
        repository: `OWNER/NAME`.
        token: never shown, not even in a traceback.
        api: where the REST API begins, without a slash at its end.
        categories: how the notes group what was merged.
        pause: seconds before the first repetition of what may pass; doubled each time.
        longest_wait: seconds; where GitHub asks for more, the release stops and says so.
    """

    repository: str
    token: str = field(repr=False)
    api: str = API
    categories: Categories = field(default_factory=Categories)
    pause: float = 1.0
    longest_wait: float = 120.0

    @property
    def host(self) -> str:
        """HOST[:PORT] of the API."""
        return urlsplit(self.api).netloc


def find_settings(
    repository: str, root: Path, env: Mapping[str, str] = os.environ
) -> GithubSettings:
    """The settings for `OWNER/NAME`, of a checkout at `root`.

    The token is that of `GITHUB_TOKEN`, else of `GH_TOKEN`; `GITHUB_API_URL` names the API of
    another GitHub than github.com. Categories are those of `.github/release.yml`.

    Raises:
        UserError: there is no token, or something can't be read.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise UserError(f"{repository!r} is no repository on GitHub", "write it as OWNER/NAME")
    token = next((env[name].strip() for name in TOKENS if env.get(name, "").strip()), "")
    if not token:
        raise UserError("there is no token for GitHub", "set GITHUB_TOKEN or GH_TOKEN")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UserError("the token for GitHub has a character that no token has", "copy it again")
    api = (env.get("GITHUB_API_URL") or API).rstrip("/")
    _check_api(api)
    return GithubSettings(repository, token, api, read_categories(root))


def _check_api(api: str) -> None:
    """Only a server on loopback is told a token without TLS."""
    parts = urlsplit(api)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.username is not None:
        raise UserError("GITHUB_API_URL is no address of an API", f"by default it is {API}")
    if parts.scheme == "http" and not is_loopback(parts.netloc):
        raise UserError(f"{parts.netloc} would be told the token without TLS", "use https")
