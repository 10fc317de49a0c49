"""Logins of registries, as the client's Docker, Podman or skopeo have them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lapstrake import process
from lapstrake.errors import UserError

# What credential helpers say where they have nothing.
_NONE = "credentials not found"
_TOKEN = "<token>"  # noqa: S105 - a word that stands in a user's place


def registry_logins(hosts: Iterable[str], env: Mapping[str, str] = os.environ) -> str:
    """The logins for some registries, as the text of an `auth.json`; empty where there are none.

    Args:
        hosts: `HOST[:PORT]`.
        env: where files and folders are named.

    Raises:
        UserError: a file can't be read, or a credential helper fails.
    """
    found: dict[str, dict[str, str]] = {}
    for path in _files(env):
        config = _read(path)
        for host in hosts:
            login = _login(host, config)
            if login is not None:
                found.setdefault(host, login)
    return json.dumps({"auths": found}, sort_keys=True) if found else ""


def _files(env: Mapping[str, str]) -> Iterator[Path]:
    """The files, in the order in which skopeo asks them."""
    if own := env.get("REGISTRY_AUTH_FILE"):
        yield Path(own)
        return
    home = Path(env.get("HOME") or Path.home())
    if runtime := env.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers/auth.json"
    yield Path(f"/run/containers/{_uid()}/auth.json")
    yield Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json"
    yield Path(env.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}", "it holds logins of registries") from None
    return value if isinstance(value, dict) else {}


def _login(host: str, config: Mapping[str, Any]) -> dict[str, str] | None:
    helper = (config.get("credHelpers") or {}).get(host) or config.get("credsStore")
    if helper and (found := _asked(str(helper), host)):
        return found
    auths: Mapping[str, Any] = config.get("auths") or {}
    for name in (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/"):
        entry = auths.get(name)
        if isinstance(entry, dict) and entry.get("auth"):
            return {"auth": str(entry["auth"])}
    return None


def _asked(helper: str, host: str) -> dict[str, str] | None:
    """What a credential helper has for a host."""
    program = f"docker-credential-{helper}"
    if process.which(program) is None:
        return None
    result = process.run([program, "get"], stdin=host.encode(), check=False)
    if result.code != 0:
        if _NONE in result.stdout + result.stderr:
            return None
        raise process.failed(result, f"{program} can't tell the login of {host}")
    said = json.loads(result.stdout)
    user, secret = str(said["Username"]), str(said["Secret"])
    if user == _TOKEN:
        return {"identitytoken": secret}
    return {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}
