"""This machine's mirrors, indexes and certificates, as files that a build gets as secrets."""

from __future__ import annotations

from pathlib import Path

from lapstrake.fetch.indexes import Indexes, read_indexes
from lapstrake.fetch.mirrors import Archive, find_archives
from lapstrake.fetch.pip_config import PipConfig, read_pip_config

_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def write_secrets(folder: Path, suite: str) -> dict[str, Path]:
    """Write the files into `folder`; their paths by the id under which a Dockerfile mounts them."""
    folder.mkdir(parents=True)
    indexes, pip = read_indexes(), read_pip_config()
    texts = {
        "apt.list": apt_list(find_archives(suite, ["main"])),
        "pip.conf": pip_conf(indexes, pip),
        "uv.toml": uv_toml(indexes),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)  # an index's address may hold a password
    found = {name: folder / name for name in texts}
    certificates = Path(indexes.env.get("SSL_CERT_FILE") or _CERTIFICATES)
    return found | ({"ca": certificates} if certificates.is_file() else {})


def apt_list(archives: tuple[Archive, ...]) -> str:
    """Apt's sources, in one-line style, for a root that has Debian's keyring."""
    lines = []
    for a in archives:
        option = "trusted=yes" if a.trusted else f"signed-by={_KEYRING}"
        lines.append(f"deb [{option}] {a.base} {a.suite} {' '.join(a.components)}\n")
    return "".join(lines)


def pip_conf(indexes: Indexes, pip: PipConfig) -> str:
    """Pip's settings; folders of wheels are left out, which a build can't see."""
    index = pip.index_url or indexes.env.get("UV_DEFAULT_INDEX", "")
    links = [x for x in pip.find_links if "://" in x and not x.startswith("file:")]
    settings = {
        "index-url": index,
        "extra-index-url": " ".join(pip.extra_index_urls),
        "find-links": " ".join(links),
        "trusted-host": " ".join(pip.trusted_hosts),
        "proxy": pip.proxy,
        "cert": _CERTIFICATES,
    }
    return "[global]\n" + "".join(f"{k} = {v}\n" for k, v in settings.items() if v)


def uv_toml(indexes: Indexes) -> str:
    """Uv's settings; folders of wheels are left out, which a build can't see."""
    env = indexes.env
    links = [x for x in env.get("UV_FIND_LINKS", "").split(",") if "://" in x]
    settings: dict[str, str | list[str]] = {
        "index-url": env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL", ""),
        "extra-index-url": (env.get("UV_EXTRA_INDEX_URL") or env.get("UV_INDEX", "")).split(),
        "find-links": [x for x in links if not x.startswith("file:")],
        "allow-insecure-host": env.get("UV_INSECURE_HOST", "").split(),
        "index-strategy": env.get("UV_INDEX_STRATEGY", ""),
    }
    lines = [f"{k} = {_toml(v)}\n" for k, v in settings.items() if v]
    return "".join(["native-tls = true\n", *lines])


def _toml(value: str | list[str]) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(v) for v in value)}]"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
