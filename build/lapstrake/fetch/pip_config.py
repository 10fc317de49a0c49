"""pip's own settings, from its environment variables and configuration files."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lapstrake.errors import UserError

_KEYS = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "cert",
    "client-cert",
    "proxy",
)
_FALSE = {"", "0", "false", "no", "off", "f", "n"}


@dataclass(frozen=True)
class PipConfig:
    """What pip would use; empty where it has no setting."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    cert: str = ""
    client_cert: str = ""
    proxy: str = ""


def read_pip_config(env: Mapping[str, str] = os.environ) -> PipConfig:
    """The settings of pip that matter to a download; its variables win over its files, as in pip.

    Raises:
        UserError: one of pip's files can't be read.
    """
    found: dict[str, str] = {}
    for path in _files(env):
        found.update(_read(path))
    for key in _KEYS:
        value = env.get(f"PIP_{key.upper().replace('-', '_')}")
        if value is not None:
            found[key] = value
    return PipConfig(
        index_url=found.get("index-url", "").strip(),
        extra_index_urls=tuple(found.get("extra-index-url", "").split()),
        find_links=tuple(found.get("find-links", "").split()),
        no_index=found.get("no-index", "").strip().lower() not in _FALSE,
        trusted_hosts=tuple(found.get("trusted-host", "").split()),
        cert=_expand(found.get("cert", "")),
        client_cert=_expand(found.get("client-cert", "")),
        proxy=found.get("proxy", "").strip(),
    )


def _expand(path: str) -> str:
    return os.path.expanduser(path.strip())  # noqa: PTH111 - the text stays as it was written


def _files(env: Mapping[str, str]) -> Iterator[Path]:
    """The files of pip, in the order in which it reads them: a later one wins."""
    own = env.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return
    home = Path(env.get("HOME") or Path.home())
    for folder in reversed((env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)):
        yield Path(folder) / "pip/pip.conf"
    yield Path("/etc/pip.conf")
    yield home / ".pip/pip.conf"
    yield Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
    yield Path(env.get("VIRTUAL_ENV") or sys.prefix) / "pip.conf"
    if own:
        yield Path(own)


def _read(path: Path) -> dict[str, str]:
    """`[global]`, overridden by `[install]`; nothing where there is no such file."""
    parser = configparser.RawConfigParser()
    try:
        text = path.read_text(encoding="utf-8")
        parser.read_string(text)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise UserError(
            f"{path}: {str(error).splitlines()[0]}", "pip's settings are read too"
        ) from (error)
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            items = {k.replace("_", "-").removeprefix("--"): v for k, v in parser.items(section)}
            found.update((k, items[k]) for k in _KEYS if k in items)
    return found
