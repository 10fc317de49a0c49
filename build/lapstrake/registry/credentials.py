"""Logins that skopeo, Podman or Docker have stored: their files, and Docker's helper programs."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.registry.repository import Repository

# What Docker calls its Hub in its files, and asks its helpers for.
_HUB = "https://index.docker.io/v1/"
_HUB_NAMES = {"docker.io", "index.docker.io", "registry-1.docker.io"}

# A helper's user name for what is no password but a token that buys others.
_TOKEN_USER = "<token>"  # noqa: S105

Config = dict[str, Any]


@dataclass(frozen=True)
class Credentials:
    """A login: user and password, or a token (`identity`) that is changed for another."""

    user: str
    password: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


def find_credentials(
    repository: Repository, env: Mapping[str, str] = os.environ
) -> Credentials | None:
    """The login for a repository; None where there is none.

    Files are asked in skopeo's order: $REGISTRY_AUTH_FILE, `containers/auth.json` in
    $XDG_RUNTIME_DIR and $XDG_CONFIG_HOME, then Docker's own config.json.

    Raises:
        UserError: a file can't be read, or a helper fails.
    """
    for path in _files(env):
        if path.is_file():
            found = _in_config(_read(path), repository, path)
            if found is not None:
                return found
    return None


def _files(env: Mapping[str, str]) -> Iterator[Path]:
    home = Path(env.get("HOME") or Path.home())
    if own := env.get("REGISTRY_AUTH_FILE"):
        yield Path(own)
    if runtime := env.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers/auth.json"
    else:
        yield Path(f"/run/containers/{os.getuid()}/auth.json")
    yield Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json"
    yield Path(env.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def _read(path: Path) -> Config:
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}", "registries' logins lie there") from error
    if not isinstance(config, dict):
        raise UserError(f"{path} is no JSON object", "registries' logins lie there")
    return config


def _in_config(config: Config, repository: Repository, path: Path) -> Credentials | None:
    names = list(_names(repository))
    helpers = {_plain(k): v for k, v in (config.get("credHelpers") or {}).items()}
    for name in names:
        if name in helpers:
            return _ask(str(helpers[name]), repository, path)
    entries = {_plain(k): v for k, v in (config.get("auths") or {}).items()}
    for name in names:
        found = _entry(entries[name], path) if isinstance(entries.get(name), dict) else None
        if found is not None:
            return found
    helper = config.get("credsStore")
    return _ask(str(helper), repository, path) if helper else None


def _names(repository: Repository) -> Iterator[str]:
    """What a login may lie under: the repository, the folders that it is in, its host."""
    parts = repository.path.split("/")
    for count in range(len(parts), 0, -1):
        yield "/".join((repository.host, *parts[:count]))
    yield repository.host
    if repository.host in _HUB_NAMES:
        yield from sorted(_HUB_NAMES - {repository.host})


def _plain(key: str) -> str:
    """`ghcr.io` for `https://ghcr.io/v1/`."""
    _, _, rest = key.rpartition("://")
    return rest.rstrip("/").removesuffix("/v1").removesuffix("/v2")


def _entry(entry: Config, path: Path) -> Credentials | None:
    if identity := entry.get("identitytoken"):
        return Credentials(_TOKEN_USER, identity=str(identity))
    if not entry.get("auth"):
        return None
    try:
        login = base64.b64decode(str(entry["auth"]), validate=True).decode()
    except ValueError as error:
        raise UserError(f"a login in {path} is damaged", "log in again") from error
    user, _, password = login.partition(":")
    return Credentials(user, password.rstrip("\0"))


def _ask(helper: str, repository: Repository, path: Path) -> Credentials | None:
    """What a helper program has for the registry."""
    program = f"docker-credential-{helper}"
    if process.which(program) is None:
        raise UserError(f"{path} keeps logins with {program}, which is not installed")
    server = _HUB if repository.host in _HUB_NAMES else repository.host
    result = process.run([program, "get"], stdin=server.encode(), check=False)
    if result.code != 0:
        if "not found" in f"{result.stdout}{result.stderr}".lower():
            return None
        raise process.failed(result, f"{program} gives no login for {server}")
    try:
        said = json.loads(result.stdout)
        user, secret = str(said["Username"]), str(said["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{program} answers something else than a login") from error
    if user == _TOKEN_USER:
        return Credentials(user, identity=secret)
    return Credentials(user, secret)
