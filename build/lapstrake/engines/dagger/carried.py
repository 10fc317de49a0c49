"""What the engine's containers must know of the client's network, in one secret.

It tells where things are found, never what they are: indexes, mirrors, proxies, certificates and
logins. The engine's cache doesn't go by it, so a layer that was built stays built when a password
changes. Files that it holds are written to a temporary file system and are gone with the container.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from lapstrake.engines.dagger.logins import registry_logins
from lapstrake.engines.local.settings import SHOWN, network_settings
from lapstrake.fetch.apt_sources import AptSource, read_apt_sources
from lapstrake.fetch.http import certificates
from lapstrake.fetch.mirrors import MIRROR, SNAPSHOT
from lapstrake.skopeo import is_loopback

# What downloads read besides what commands in a root are told.
_MORE = (MIRROR, SNAPSHOT, "LAPSTRAKE_TIMEOUT", "UV_FIND_LINKS", "UV_NO_INDEX")
_WHERE = ("INDEX", "LINKS", "PROXY", "MIRROR", "SNAPSHOT")
_CERTIFICATES = "certificates"


@dataclass(frozen=True)
class Carried:
    """The client's settings.

    Attributes:
        env: variables; `{NAME}` at a value's begin stands for the file of that name.
        files: texts by name.
        apt: sources, as apt's one-line files have them.
        run: a name of this build, by which a result tells whether it was made for it.
        interpreters: see `wire.Interpreters`.
    """

    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    apt: tuple[str, ...] = ()
    run: str = ""
    interpreters: dict[str, object] = field(default_factory=dict)

    def to_json(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Carried:
        """The inverse of `to_json`."""
        return cls(**json.loads(text))


def carried(
    run: str,
    interpreters: dict[str, object],
    hosts: Iterable[str] = (),
    env: Mapping[str, str] = os.environ,
    etc: Path = Path("/etc/apt"),
) -> Carried:
    """The settings of whoever called us.

    Args:
        run: a name of this build.
        interpreters: see `wire.Interpreters`.
        hosts: the registries that layers come from, whose logins are needed.
        env: the variables.
        etc: apt's configuration.

    Raises:
        UserError: a settings file can't be read.
    """
    settings = network_settings(env)
    found = Carried(run=run, interpreters=interpreters, apt=tuple(_apt_lines(etc)))
    found.env.update({name: env[name] for name in _MORE if env.get(name)})
    for name, value in settings.env.items():
        if not value.startswith(f"{SHOWN}/"):
            found.env[name] = value
    for name in ("UV_CONFIG_FILE", "SSL_CLIENT_CERT", "PIP_CLIENT_CERT"):
        _add(found, name, settings.shown.get(name.lower()))
    _add(found, "SSL_CERT_FILE", settings.shown.get("pip_cert") or _certificates(env))
    _add(found, "NETRC", env.get("NETRC") or str(Path(env.get("HOME") or Path.home()) / ".netrc"))
    if logins := registry_logins(hosts, env):
        found.files["REGISTRY_AUTH_FILE"] = logins
    _without_local_links(found)
    return found


def _certificates(env: Mapping[str, str]) -> str | None:
    """The certificates that are trusted here: some that the user names, else the system's."""
    return certificates(env) or ssl.get_default_verify_paths().openssl_cafile


def _add(found: Carried, name: str, path: str | None) -> None:
    if not path:
        return
    try:
        found.files[name] = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return


def _without_local_links(found: Carried) -> None:
    """Folders of this machine aren't there: what lies in them is looked for elsewhere."""
    for name, separator in (("PIP_FIND_LINKS", " "), ("UV_FIND_LINKS", ",")):
        places = [p for p in found.env.pop(name, "").split(separator) if p]
        if kept := [p for p in places if "://" in p and not p.startswith("file:")]:
            found.env[name] = separator.join(kept)


def _apt_lines(etc: Path) -> Iterator[str]:
    for source in read_apt_sources(etc):
        if not source.base.startswith("file:"):
            yield _apt_line(source)


def _apt_line(source: AptSource) -> str:
    option = "[trusted=yes] " if source.trusted else ""
    return f"deb {option}{source.base} {source.suite} {' '.join(source.components)}"


def is_only_here(files: Iterable[str], env: Mapping[str, str] = os.environ) -> bool:
    """Whether some index, mirror or proxy is one that this machine alone can reach.

    So is a folder that pip is to look into, where one of the `files` lies in it.
    """
    settings = network_settings(env)
    folders = [Path(p) for name, p in settings.shown.items() if name.startswith("links-")]
    if any((folder / file).is_file() for folder in folders for file in files):
        return True
    values = {**{n: env.get(n, "") for n in _MORE}, **settings.env}
    places = [w for n, v in values.items() if any(x in n for x in _WHERE) for w in _words(v)]
    return any(_is_here(place) for place in places)


def _words(value: str) -> list[str]:
    return [word.rpartition("=")[2] for word in value.replace(",", " ").split()]


def _is_here(place: str) -> bool:
    parts = urlsplit(place)
    return parts.scheme == "file" or ("://" in place and is_loopback(parts.netloc.split("@")[-1]))


def wear(found: Carried, folder: Path, sources: Path, env: MutableMapping[str, str]) -> None:
    """Put settings into force: within the engine.

    Args:
        found: the settings.
        folder: an empty folder that takes their files.
        sources: apt's folder of sources.
        env: the variables to change.
    """
    for name in [n for n in env if n.startswith(("PIP_", "UV_INDEX"))]:
        del env[name]
    env.update(found.env)
    for name, text in found.files.items():
        path = folder / name.lower()
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        path.chmod(0o600)
        env[name] = str(path)
    if found.apt and sources.is_dir():
        (sources / "lapstrake.list").write_text("".join(f"{line}\n" for line in found.apt))
