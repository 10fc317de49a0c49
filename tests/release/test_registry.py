from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lapstrake.dist import Build
from lapstrake.errors import UserError
from lapstrake.skopeo import is_loopback
from lapstrake.store.store import Store
from lapstrake_release.registry import Registry, Repository, check_moves, is_final
from support.registry import free_port, serve_registry
from support.tinyimages import built, image


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


def registry_at(address: str, path: str) -> Registry:
    return Registry(Repository.parse(f"{address}/{path}", "fam"))


def family(tmp_path: Path, store: Store, version: str = "1") -> tuple[Path, Build]:
    images = (image("a", "shared", "one"), image("b", "shared", "two"))
    return tmp_path / "dist", built(tmp_path / "dist", store, *images, version=version)


def test_only_what_is_missing_travels(address: str, tmp_path: Path, store: Store) -> None:
    dist, build = family(tmp_path, store)
    registry = registry_at(address, "missing")
    first, second = (registry.push(dist, build.image(n), f"1-{n}") for n in "ab")
    assert (first.sent, first.blobs) == (2, 2)
    assert (second.sent, second.blobs) == (1, 2)
    again = registry.push(dist, build.image("a"), "1-a")
    assert again.was_there
    assert again.sent == 0
    moved = registry.push(dist, build.image("a"), "other")
    assert (moved.sent, moved.was_there) == (0, False)


def test_the_registry_has_the_digest_that_was_built(
    address: str, tmp_path: Path, store: Store
) -> None:
    dist, build = family(tmp_path, store)
    registry = registry_at(address, "digests")
    pushed = registry.push(dist, build.image("a"), "t")
    answer = httpx.get(
        f"http://{address}/v2/digests/fam/manifests/t",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    assert answer.headers["docker-content-digest"] == build.image("a").digest == pushed.digest
    layers = [x["digest"] for x in json.loads(answer.content)["layers"]]
    assert layers == [x.digest for x in build.image("a").layers]


def test_a_tag_that_moves_says_what_it_was(address: str, tmp_path: Path, store: Store) -> None:
    dist, build = family(tmp_path, store)
    registry = registry_at(address, "moves")
    registry.push(dist, build.image("a"), "t")
    moved = registry.push(dist, build.image("b"), "t")
    assert moved.old == build.image("a").digest


@pytest.mark.parametrize(
    ("version", "final"),
    [("1.0", True), ("1.0rc1", False), ("1.0.dev3", False), ("nonsense", False)],
)
def test_final_versions(version: str, final: bool) -> None:
    assert is_final(version) is final


def test_a_final_version_never_moves(address: str, tmp_path: Path, store: Store) -> None:
    dist, build = family(tmp_path, store)
    registry = registry_at(address, "final")
    registry.push(dist, build.image("a"), "1-a")
    check_moves(build, registry, list(build.images))
    other = built(tmp_path / "other", store, image("a", "changed"))
    with pytest.raises(UserError, match="a final version never moves"):
        check_moves(other, registry, list(other.images))
    candidate = other.model_copy(update={"version": "1rc1"})
    check_moves(candidate, registry, list(candidate.images))


def test_a_registry_that_wants_a_login(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dist, build = family(tmp_path, store)
    auth = tmp_path / "auth.json"
    auth.write_text("{}")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(auth))
    with serve_registry(tmp_path / "registry", ("me", "secret")) as address:
        registry = registry_at(address, "private")
        with pytest.raises(UserError, match="wants a login") as caught:
            registry.push(dist, build.image("a"), "t")
        assert caught.value.hint == f"run `skopeo login {address}`"
        # base64 of me:secret
        auth.write_text(json.dumps({"auths": {address: {"auth": "bWU6c2VjcmV0"}}}))
        assert registry.push(dist, build.image("a"), "t").sent == 2


def test_nobody_there(tmp_path: Path, store: Store) -> None:
    dist, build = family(tmp_path, store)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=f"nothing answers at {address}"):
        registry_at(address, "x").push(dist, build.image("a"), "t")


def test_a_read_only_registry_refuses(tmp_path: Path, store: Store) -> None:
    dist, build = family(tmp_path, store)
    with serve_registry(tmp_path / "registry", read_only=True) as address:
        with pytest.raises(UserError) as caught:
            registry_at(address, "x").push(dist, build.image("a"), "t")
        assert address in caught.value.message


@pytest.mark.parametrize("text", ["", "host/UPPER", "host//x", "http://host/x", "a b", "host/x:1"])
def test_what_is_no_registry(text: str) -> None:
    with pytest.raises(UserError, match="is no registry"):
        Repository.parse(text, "fam")


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1:5000/x", True),
        ("127.9.9.9", True),
        ("localhost:1/x", True),
        ("[::1]:5000/x", True),
        ("registry.example.org/x", False),
        ("10.0.0.1:5000/x", False),
    ],
)
def test_only_loopback_goes_without_tls(text: str, loopback: bool) -> None:
    assert is_loopback(str(Repository.parse(text, "fam"))) is loopback
