"""Where Python packages come from: uv's own settings, else pip's, as an environment for uv.

uv reads its variables and its files by itself. What a user has told pip alone is translated, a
setting at a time, and only where uv has none of its own.
"""

from __future__ import annotations

import netrc
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from lapstrake.errors import UserError
from lapstrake.fetch.pip_config import PipConfig, read_pip_config

# uv's variable or option -> what the same setting is called in uv's files
_IN_FILES = {
    "UV_DEFAULT_INDEX": ("index-url", "index"),
    "UV_INDEX_URL": ("index-url", "index"),
    "UV_INDEX": ("extra-index-url", "index"),
    "UV_EXTRA_INDEX_URL": ("extra-index-url", "index"),
    "UV_FIND_LINKS": ("find-links",),
    "UV_INDEX_STRATEGY": ("index-strategy",),
    "UV_INSECURE_HOST": ("allow-insecure-host",),
}


@dataclass(frozen=True)
class Indexes:
    """How to run uv so that it finds what the user's settings find.

    Attributes:
        env: the whole environment for uv.
        args: options for what no variable of uv's can say.
        insecure: hosts (or host:port) whose certificates are not checked.
        urls: every index, as configured, credentials included.
    """

    env: Mapping[str, str]
    args: tuple[str, ...]
    insecure: frozenset[str]
    urls: tuple[str, ...]

    def credentials(self, url: str) -> tuple[str, str] | None:
        """User and password for the host of `url`: an index's own, else those in netrc."""
        return self._logins.get(_site(urlsplit(url))) or netrc_login(url, self.env)

    @cached_property
    def _logins(self) -> dict[str, tuple[str, str]]:
        found: dict[str, tuple[str, str]] = {}
        for url in self.urls:
            parts = urlsplit(url)
            if parts.username is not None:
                login = (unquote(parts.username), unquote(parts.password or ""))
                found.setdefault(_site(parts), login)
        return found


def read_indexes(folder: Path | None = None, env: Mapping[str, str] = os.environ) -> Indexes:
    """The package indexes as the user has configured them for uv or for pip.

    Args:
        folder: where uv runs and looks for a project's settings; by default here.
        env: the environment to begin from.

    Raises:
        UserError: a settings file can't be read.
    """
    pip = read_pip_config(env)
    files = list(_uv_files(folder or Path.cwd(), env))
    return _merge(dict(env), pip, files)


def _merge(env: dict[str, str], pip: PipConfig, files: list[dict[str, object]]) -> Indexes:
    args = ("--no-index",) if pip.no_index and not _says_where(env, files) else ()
    if pip.index_url and not _has(env, files, "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        env["UV_DEFAULT_INDEX"] = pip.index_url
    if pip.extra_index_urls and not _has(env, files, "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        env["UV_EXTRA_INDEX_URL"] = " ".join(pip.extra_index_urls)
        if not _has(env, files, "UV_INDEX_STRATEGY"):
            # pip takes the best version of all its indexes: so it is what its users expect
            env["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    links = [place for link in pip.find_links if (place := _place(link))]
    if links and not _has(env, files, "UV_FIND_LINKS"):
        env["UV_FIND_LINKS"] = ",".join(links)
    if pip.trusted_hosts and not _has(env, files, "UV_INSECURE_HOST"):
        env["UV_INSECURE_HOST"] = " ".join(pip.trusted_hosts)
    if pip.cert and not env.get("SSL_CERT_FILE"):
        env["SSL_CERT_FILE"] = pip.cert
    if pip.client_cert and not env.get("SSL_CLIENT_CERT"):
        env["SSL_CLIENT_CERT"] = pip.client_cert
    if pip.proxy and not any(n in env for n in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        env["ALL_PROXY"] = pip.proxy
    insecure = {*env.get("UV_INSECURE_HOST", "").split(), *_listed(files, "allow-insecure-host")}
    return Indexes(env, args, frozenset(insecure), tuple(_urls(env, files)))


def _has(env: Mapping[str, str], files: list[dict[str, object]], *names: str) -> bool:
    """Whether one of uv's settings is given, as a variable or in a file."""
    keys = {key for name in names for key in _IN_FILES[name]}
    return any(env.get(n) for n in names) or any(f.get(k) for f in files for k in keys)


def _says_where(env: Mapping[str, str], files: list[dict[str, object]]) -> bool:
    """Whether uv has been told itself which indexes to use, or to use none."""
    indexes = (n for n in _IN_FILES if "INDEX" in n and n != "UV_INDEX_STRATEGY")
    told = any(env.get(n) for n in indexes)
    return told or any(f.get(k) for f in files for k in ("index", "index-url", "no-index"))


def _place(link: str) -> str | None:
    """A find-links place, absolute; None for a folder that isn't there (pip only warns of it)."""
    if "://" in link:
        path = Path(unquote(urlsplit(link).path))
        return link if urlsplit(link).scheme != "file" or path.exists() else None
    path = Path(link).expanduser().absolute()
    return str(path) if path.exists() else None


def _uv_files(folder: Path, env: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """The settings files of uv: the project's, then the user's, then the system's."""
    if own := env.get("UV_CONFIG_FILE"):
        yield from _uv_file(Path(own))
        return
    if env.get("UV_NO_CONFIG", "").lower() in {"1", "true", "yes"}:
        return
    for parent in (folder, *folder.parents):
        found = [*_uv_file(parent / "uv.toml"), *_uv_file(parent / "pyproject.toml")]
        if found:
            yield found[0]
            break
    home = Path(env.get("HOME") or Path.home())
    yield from _uv_file(Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "uv/uv.toml")
    yield from _uv_file(Path("/etc/uv/uv.toml"))


def _uv_file(path: Path) -> Iterator[dict[str, object]]:
    """The settings of one file, those for `uv pip` over the others."""
    try:
        value: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path}: {error}", "uv's settings are read too") from error
    if path.name == "pyproject.toml":
        tool = value.get("tool")
        own = tool.get("uv") if isinstance(tool, dict) else None
        if not isinstance(own, dict):
            return
        value = own
    pip = value.get("pip")
    yield {**value, **(pip if isinstance(pip, dict) else {})}


def _listed(files: list[dict[str, object]], key: str) -> Iterator[str]:
    for file in files:
        value = file.get(key)
        yield from [str(v) for v in value] if isinstance(value, list) else []


def _urls(env: Mapping[str, str], files: list[dict[str, object]]) -> Iterator[str]:
    """Every index's URL; a named index with its credentials from the environment."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        for word in env.get(name, "").split():
            label, found, url = word.partition("=")
            yield _named(url, label, env) if found and "/" not in label else word
    yield from env.get("UV_FIND_LINKS", "").split(",")
    for file in files:
        yield str(file.get("index-url") or "")
        for index in _tables(file.get("index")):
            yield _named(str(index.get("url", "")), str(index.get("name", "")), env)
    yield from _listed(files, "extra-index-url")
    yield from _listed(files, "find-links")


def _tables(value: object) -> list[dict[str, object]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _named(url: str, name: str, env: Mapping[str, str]) -> str:
    """The URL with the credentials that uv would take from UV_INDEX_<NAME>_USERNAME, …"""
    label = "".join(c if c.isalnum() else "_" for c in name.upper())
    user = env.get(f"UV_INDEX_{label}_USERNAME") if label else None
    if user is None or "@" in urlsplit(url).netloc:
        return url
    password = env.get(f"UV_INDEX_{label}_PASSWORD", "")
    parts = urlsplit(url)
    return parts._replace(netloc=f"{_quoted(user)}:{_quoted(password)}@{parts.netloc}").geturl()


def _quoted(text: str) -> str:
    return "".join(c if c.isalnum() else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


def _site(parts: SplitResult) -> str:
    """Scheme, host and port: what a login belongs to."""
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def netrc_login(url: str, env: Mapping[str, str]) -> tuple[str, str] | None:
    """User and password that netrc ($NETRC, ~/.netrc) has for the host of `url`."""
    host = urlsplit(url).hostname or ""
    path = Path(env.get("NETRC") or Path(env.get("HOME") or Path.home()) / ".netrc")
    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return (found[0], found[2] or "") if found else None
