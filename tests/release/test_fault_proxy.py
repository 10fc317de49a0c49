"""The proxy itself: without harm, whoever talks through it notices nothing of it."""

from __future__ import annotations

from pathlib import Path

from lapstrake.store.store import Store
from lapstrake_release.registry import Registry, Repository
from support.fault_proxy import fault_proxy
from support.registry import serve_registry
from support.tinyimages import built, image


def test_skopeo_pushes_and_reads_back(tmp_path: Path, store: Store) -> None:
    """It says which manifests it accepts in a header for each."""
    build = built(tmp_path / "dist", store, image("a", "one"))
    with serve_registry(tmp_path / "registry") as host, fault_proxy(host) as proxy:
        registry = Registry(Repository(proxy.host, "fam"))
        pushed = registry.push(tmp_path / "dist", build.images[0], "1")
        assert pushed.digest == build.images[0].digest
        assert registry.digest("1") == build.images[0].digest
        assert proxy.names == ["1"]
