"""What commands in a root must know of this machine's network: proxies, certificates, indexes.

None of it lands in a layer: values are variables of the commands, and what they point to appears
in `/run`, which is no part of the image. A value that could change a layer's bytes by itself (where
something is installed, which resolver is used) is not passed on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lapstrake.fetch.pip_config import PipConfig, read_pip_config

# Where files and folders of this machine appear in the root.
SHOWN = "/run/lapstrake"

_AS_THEY_ARE = (
    "ALL_PROXY",
    "FTP_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_RETRIES",
    "PIP_TIMEOUT",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_HTTP_TIMEOUT",
    "UV_INDEX",
    "UV_INDEX_STRATEGY",
    "UV_INDEX_URL",
    "UV_INSECURE_HOST",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
)
_SMALL_TOO = ("ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_UV_INDEX_LOGIN = ("_USERNAME", "_PASSWORD")
_PATHS = (
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "SSL_CLIENT_CERT",
    "UV_CONFIG_FILE",
)


@dataclass(frozen=True)
class Settings:
    """Variables, and what of this machine is shown in `SHOWN`: names there to paths here."""

    env: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """As plain JSON."""
        return asdict(self)


def network_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """The settings of whoever called us.

    Raises:
        UserError: one of pip's own files can't be read.
    """
    found = Settings()
    small = {name.lower() for name in _SMALL_TOO}
    for name, value in sorted(env.items()):
        if name in _AS_THEY_ARE or name in small or _is_index_login(name):
            found.env[name] = value
        elif name in _PATHS and value:
            _show(found, name, value)
    if "UV_CONFIG_FILE" not in found.env:
        _show_uv_file(found, env)
    _show_pip(found, read_pip_config(env))
    return found


def _is_index_login(name: str) -> bool:
    return name.startswith("UV_INDEX_") and name.endswith(_UV_INDEX_LOGIN)


def _show(found: Settings, name: str, path: str) -> None:
    """Set the variable `name` to where `path` appears; to nothing where there is no such path."""
    place = Path(path)
    if place.is_absolute() and place.exists():
        shown = name.lower()
        found.shown[shown] = str(place.resolve())
        found.env[name] = f"{SHOWN}/{shown}"


def _show_uv_file(found: Settings, env: Mapping[str, str]) -> None:
    home = Path(env.get("XDG_CONFIG_HOME") or Path(env.get("HOME") or "/root") / ".config")
    for path in (home / "uv/uv.toml", Path("/etc/uv/uv.toml")):
        if path.is_file():
            _show(found, "UV_CONFIG_FILE", str(path))
            return


def _show_pip(found: Settings, pip: PipConfig) -> None:
    """Pip's settings, from its files too, as its variables."""
    values = {
        "PIP_INDEX_URL": pip.index_url,
        "PIP_EXTRA_INDEX_URL": " ".join(pip.extra_index_urls),
        "PIP_TRUSTED_HOST": " ".join(pip.trusted_hosts),
        "PIP_PROXY": pip.proxy,
        "PIP_NO_INDEX": "1" if pip.no_index else "",
    }
    found.env.update({name: value for name, value in values.items() if value})
    for name, path in (("PIP_CERT", pip.cert), ("PIP_CLIENT_CERT", pip.client_cert)):
        if path:
            _show(found, name, path)
    links = [_link(found, number, link) for number, link in enumerate(pip.find_links)]
    if any(links):
        found.env["PIP_FIND_LINKS"] = " ".join(link for link in links if link)


def _link(found: Settings, number: int, link: str) -> str:
    """One of pip's places to look for files, as the root sees it."""
    if "://" in link and not link.startswith("file:"):
        return link
    path = Path(link.removeprefix("file://"))
    if not path.is_absolute() or not path.exists():
        return ""
    shown = f"links-{number}"
    found.shown[shown] = str(path.resolve())
    return f"{SHOWN}/{shown}"
