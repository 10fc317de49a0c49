"""Servers on loopback that releases go to, each behind a proxy that can do harm."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from support.fault_proxy import Proxy, fault_proxy
from support.pypi import serve_pypi
from support.registry import serve_registry
from support.releases import Released, family

LOGIN = ("me", "canary-login-0001")
_ANYTHING = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Targets:
    """Two registries, the second with a login, and an index with one; each behind a proxy."""

    first: Proxy
    second: Proxy
    index: Proxy
    env: dict[str, str]
    folder: Path

    @property
    def proxies(self) -> tuple[Proxy, Proxy, Proxy]:
        return self.first, self.second, self.index

    def family(
        self,
        folder: Path,
        where: str = "x",
        *,
        size: int = 0,
        settings: Mapping[str, object] | None = None,
    ) -> Released:
        """A repository that is released to these, below the folder `where` of each registry."""
        registries = [f"{self.first.host}/{where}", f"{self.second.host}/{where}"]
        index = f"http://{self.index.host}/"
        return family(folder, registries, [index], size=size, settings=settings)

    def reset(self) -> None:
        """Make the servers as empty as they were at first, and the proxies harmless."""
        for proxy in self.proxies:
            proxy.seen.clear()
            proxy.asked = proxy.harmed = 0
            proxy.harm = lambda *_: None
            proxy.on_answer = lambda _: None
        for data in ("first/data", "second/data", "index/packages"):
            folder = self.folder / data
            for path in list(folder.iterdir()) if folder.exists() else ():
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def names(self, proxy: Proxy, where: str = "x") -> dict[str, str]:
        """The digest of each name that a registry has."""
        return names_at(f"{proxy.host}/{where}/fam", LOGIN if proxy is self.second else None)

    @property
    def uploaded(self) -> dict[str, bytes]:
        """The files that the index has."""
        return {p.name: p.read_bytes() for p in (self.folder / "index/packages").iterdir()}


def names_at(repository: str, login: tuple[str, str] | None = None) -> dict[str, str]:
    """The digest of each name of a repository."""
    host, _, path = repository.partition("/")
    found = {}
    with httpx.Client(base_url=f"http://{host}/v2/{path}", trust_env=False, auth=login) as client:
        for tag in client.get("/tags/list").json().get("tags") or []:
            answer = client.get(f"/manifests/{tag}", headers={"Accept": _ANYTHING})
            # a name whose manifest was deleted may be listed for a while
            if answer.status_code == 200:
                found[tag] = answer.headers["docker-content-digest"]
    return found


def logins(folder: Path, host: str) -> dict[str, str]:
    """The environment in which a registry's and an index's login are."""
    auth = folder / "auth.json"
    basic = httpx.BasicAuth(*LOGIN)._auth_header.removeprefix("Basic ")
    auth.write_text(json.dumps({"auths": {host: {"auth": basic}}}))
    return {
        "REGISTRY_AUTH_FILE": str(auth),
        "TWINE_INDEX0_USERNAME": LOGIN[0],
        "TWINE_INDEX0_PASSWORD": LOGIN[1],
        "LAPSTRAKE_TIMEOUT": "3",
    }


@contextlib.contextmanager
def serve_targets(folder: Path) -> Iterator[Targets]:
    """All of them, empty, as long as the context lasts."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(serve_registry(folder / "first"))
        second = stack.enter_context(serve_registry(folder / "second", LOGIN))
        url = stack.enter_context(serve_pypi(folder / "index", LOGIN))
        hosts = (first, second, url.removeprefix("http://").strip("/"))
        one, two, index = (stack.enter_context(fault_proxy(h)) for h in hosts)
        yield Targets(one, two, index, logins(folder, two.host), folder)
