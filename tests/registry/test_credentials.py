"""Where logins are found, and which one counts."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake.registry.credentials import Credentials, find_credentials
from lapstrake.registry.repository import Repository

HOST = "registry.example:5000"
REPOSITORY = Repository(HOST, "team/fam/cache")


def auth(user: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:pw".encode()).decode()}


def written(path: Path, config: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return path


def found(env: dict[str, str], repository: Repository = REPOSITORY) -> Credentials | None:
    return find_credentials(repository, {"XDG_RUNTIME_DIR": "/nowhere", **env})


@pytest.mark.parametrize(
    ("auths", "user"),
    [
        ({HOST: auth("host"), f"{HOST}/team/fam": auth("folder")}, "folder"),
        ({HOST: auth("host"), f"{HOST}/team/fam/cache": auth("own")}, "own"),
        ({HOST: auth("host"), f"{HOST}/team/famous": auth("other")}, "host"),
        ({f"https://{HOST}/v2/": auth("url")}, "url"),
        ({f"https://{HOST}": auth("url")}, "url"),
        ({HOST: {}, "elsewhere": auth("x")}, None),
    ],
)
def test_the_nearest_login_counts(
    tmp_path: Path, auths: dict[str, object], user: str | None
) -> None:
    written(tmp_path / ".docker/config.json", {"auths": auths})
    login = found({"HOME": str(tmp_path)})
    assert (login.user if login else None) == user


def test_files_are_asked_in_the_order_of_skopeo(tmp_path: Path) -> None:
    places = {
        "REGISTRY_AUTH_FILE": tmp_path / "own.json",
        "XDG_RUNTIME_DIR": tmp_path / "run/containers/auth.json",
        "XDG_CONFIG_HOME": tmp_path / "config/containers/auth.json",
        "DOCKER_CONFIG": tmp_path / "docker/config.json",
    }
    env = {
        "HOME": str(tmp_path),
        "REGISTRY_AUTH_FILE": str(tmp_path / "own.json"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
    }
    for name, path in places.items():
        written(path, {"auths": {HOST: auth(name)}})
    for name, path in places.items():
        login = found(env)
        assert login is not None
        assert login.user == name
        path.unlink()
    assert found(env) is None


def test_docker_hub_by_its_many_names(tmp_path: Path) -> None:
    written(
        tmp_path / ".docker/config.json", {"auths": {"https://index.docker.io/v1/": auth("hub")}}
    )
    login = found({"HOME": str(tmp_path)}, Repository("docker.io", "me/cache"))
    assert login is not None
    assert login.user == "hub"
    assert Repository("docker.io", "me/cache").url == "https://registry-1.docker.io/v2/me/cache"


def test_a_token_instead_of_a_password(tmp_path: Path) -> None:
    entry = {"auth": auth("x")["auth"], "identitytoken": "refresh"}
    written(tmp_path / ".docker/config.json", {"auths": {HOST: entry}})
    login = found({"HOME": str(tmp_path)})
    assert login is not None
    assert login.identity == "refresh"
    assert "refresh" not in repr(login)


HELPER = """\
#!/bin/sh
read server
[ "$1" = get ] || exit 2
case $server in
  registry.example:5000) echo '{"Username": "helped", "Secret": "s"}' ;;
  https://index.docker.io/v1/) echo '{"Username": "<token>", "Secret": "t"}' ;;
  odd.example) echo nothing ;;
  locked.example) echo 'the keychain is locked' >&2; exit 1 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    program = tmp_path / "bin/docker-credential-test"
    program.parent.mkdir()
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    written(tmp_path / ".docker/config.json", {"credsStore": "test"})
    return {"HOME": str(tmp_path)}


def test_a_helper_program(helper: dict[str, str]) -> None:
    login = found(helper)
    assert login is not None
    assert (login.user, login.password) == ("helped", "s")
    hub = found(helper, Repository("docker.io", "me/cache"))
    assert hub is not None
    assert hub.identity == "t"
    assert found(helper, Repository("unknown.example", "x")) is None
    with pytest.raises(UserError, match="answers something else than a login"):
        found(helper, Repository("odd.example", "x"))
    with pytest.raises(UserError, match=r"gives no login for locked\.example"):
        found(helper, Repository("locked.example", "x"))


def test_a_helper_that_is_not_installed(tmp_path: Path) -> None:
    written(tmp_path / ".docker/config.json", {"credHelpers": {HOST: "nonesuch"}})
    with pytest.raises(UserError, match="docker-credential-nonesuch, which is not installed"):
        found({"HOME": str(tmp_path)})


@pytest.mark.parametrize("text", ["{", "[]", f'{{"auths": {{"{HOST}": {{"auth": "%"}}}}}}'])
def test_files_that_are_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json"):
        found({"HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ghcr.io/me/cache", "https://ghcr.io/v2/me/cache"),
        ("localhost:5000/cache", "http://localhost:5000/v2/cache"),
        ("127.0.0.1:5000/a/b__c", "http://127.0.0.1:5000/v2/a/b__c"),
        ("[::1]:5000/cache", "http://[::1]:5000/v2/cache"),
        ("registry:5000/cache", "https://registry:5000/v2/cache"),
    ],
)
def test_repositories(text: str, url: str) -> None:
    found = Repository.parse(text)
    assert str(found) == text
    assert found.url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cache",
        "me/cache",
        "ghcr.io",
        "ghcr.io/",
        "ghcr.io/Me",
        "ghcr.io/a:tag",
        "ghcr.io/a//b",
        f"ghcr.io/a@sha256:{'0' * 64}",
        "https://ghcr.io/a",
        "ghcr.io/../a",
        "host:port/a",
    ],
)
def test_what_is_no_repository(text: str) -> None:
    with pytest.raises(UserError, match="is no repository of a registry"):
        Repository.parse(text)
