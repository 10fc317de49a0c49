"""Trusted publishing: a job's identity is all that its wheels go up with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lapstrake.definition.models import IndexSpec
from lapstrake.errors import UserError
from lapstrake_release.indexes.client import IndexClient
from lapstrake_release.indexes.model import find_index
from support.fault_proxy import Fault
from support.oidc import INSIDE, OPEN, PYPI, Trusting, serve_trusting
from support.processes import Watch
from support.releases import VERSION, Released, family

INDEXES = ["pypi", {"name": "inside", "upload": f"https://{INSIDE}/"}]
HOSTS = (PYPI[0], INSIDE)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trusting]:
    with serve_trusting(tmp_path_factory.mktemp("trusted") / "servers") as found:
        yield found


@pytest.fixture
def trusting(servers: Trusting) -> Trusting:
    """The servers, as they were at first."""
    servers.refusal = None
    servers.asked.clear()
    for host, folder in servers.packages.items():
        servers.indexes[host].seen.clear()
        servers.indexes[host].harm = lambda *_: None
        for path in folder.iterdir():
            path.unlink()
    return servers


def released(
    trusting: Trusting, repository: Released, *words: str
) -> subprocess.CompletedProcess[str]:
    """A release in a job that may prove its identity, and has no login at all."""
    done = repository.run(VERSION, "--prebuilt", *words, env=trusting.env)
    check_silent(trusting, (done.stdout + done.stderr).encode(), "what was said")
    for path in repository.root.rglob("*"):
        if path.is_file():
            check_silent(trusting, path.read_bytes(), str(path))
    return done


def check_silent(trusting: Trusting, data: bytes, where: str) -> None:
    for secret in trusting.secrets:
        assert secret.encode() not in data, f"{secret!r} in {where}"


def client_of(
    trusting: Trusting, monkeypatch: pytest.MonkeyPatch, host: str, **more: str
) -> IndexClient:
    """A client of an index, in such a job."""
    for name, value in (trusting.env | more).items():
        monkeypatch.setenv(name, value)
    spec = IndexSpec(name="inside", upload=f"https://{host}/")
    return IndexClient(find_index(spec, alone=True), pause=0.01)


def test_wheels_go_up_and_no_login_is_kept(trusting: Trusting, tmp_path: Path) -> None:
    repository = family(tmp_path, settings={"indexes": INDEXES})
    for path in repository.dist.glob("*/fam_extra-*"):
        path.unlink()
    refused: list[str] = []

    def harm(_: int, method: str, path: str) -> Fault | None:
        # in the middle, between two files
        if method == "POST" and trusting.indexes[INSIDE].files.total() == 1 and not refused:
            refused.append(path)
            return "401"
        return None

    trusting.indexes[INSIDE].harm = harm
    # each twine lives for longer than that
    with Watch(0.05) as watch:
        done = released(trusting, repository, "--progress", "json")
    assert done.returncode == 0, done.stderr
    assert refused
    ours = {p.name: p.read_bytes() for p in repository.files}
    assert len(ours) == 2
    assert {h: trusting.uploaded(h) for h in HOSTS} == dict.fromkeys(HOSTS, ours)
    assert any(b"twine" in args for args in watch.seen)
    for args in watch.seen:
        check_silent(trusting, args, "a process list")
    # the check's token isn't kept for the upload: they don't last
    assert trusting.minted(PYPI[0]) == 2
    # again, with nothing but what the indexes hold
    for path in repository.dist.glob(f"release-{VERSION}*"):
        path.unlink()
    again = released(trusting, repository)
    assert again.returncode == 0, again.stderr
    for host in HOSTS:
        assert trusting.indexes[host].files == dict.fromkeys(ours, 1)


NO_PUBLISHER: dict[str, object] = {
    "message": "Token request failed",
    "errors": [{"code": "invalid-publisher", "description": "valid token,\nbut no publisher"}],
}


def test_a_job_that_the_index_was_not_told_of(trusting: Trusting, tmp_path: Path) -> None:
    """The check says so, before anything is written."""
    repository = family(tmp_path, settings={"indexes": INDEXES})
    trusting.refusal = (422, NO_PUBLISHER)
    done = released(trusting, repository)
    assert done.returncode == 1
    for index in ("pypi", "inside"):
        assert f"{index} gives this job no token: valid token, but no publisher" in done.stderr
        assert f"set $TWINE_{index.upper()}_PASSWORD" in done.stderr
    assert done.stderr.count("among the project's trusted publishers there") == 2
    assert [trusting.uploaded(h) for h in HOSTS] == [{}, {}]
    assert list(repository.dist.glob("release-*")) == []


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [(403, {"message": "not THE PROOF"}, r"not \*\*\*"), (404, {}, "HTTP 404")],
)
def test_an_index_that_says_little_or_too_much(
    trusting: Trusting,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    said: dict[str, object],
    reason: str,
) -> None:
    trusting.refusal = (code, said)
    with (
        client_of(trusting, monkeypatch, INSIDE) as client,
        pytest.raises(UserError, match=f"inside gives this job no token: {reason}$"),
    ):
        client.check_upload()


def test_a_project_that_is_only_announced(
    trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token would make the project: the check sees that the job can prove itself, no more."""
    with client_of(trusting, monkeypatch, INSIDE) as client:
        client.check_upload(announced=True)
        assert trusting.asked[INSIDE, "GET", "/_/oidc/audience"] == 1
        assert trusting.minted(INSIDE) == 0
        assert client.for_upload().login is not None
        assert trusting.minted(INSIDE) == 1


def test_a_token_that_has_expired(trusting: Trusting, monkeypatch: pytest.MonkeyPatch) -> None:
    with client_of(trusting, monkeypatch, INSIDE) as client:
        client.check_upload()
        assert client.files("fam") == {}
        assert trusting.minted(INSIDE) == 1
        trusting.tokens.clear()
        assert client.files("fam") == {}
        assert trusting.minted(INSIDE) == 2


def test_a_job_that_github_gives_no_proof(
    trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "another"}
    with (
        client_of(trusting, monkeypatch, INSIDE, **wrong) as client,
        pytest.raises(UserError, match=r"GitHub doesn't prove to inside .*HTTP 401") as caught,
    ):
        client.check_upload()
    assert "id-token: write" in caught.value.hint


def test_an_index_without_trusted_publishing(
    trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusting, "offering", {PYPI[0]})
    with (
        client_of(trusting, monkeypatch, INSIDE) as client,
        pytest.raises(UserError, match="inside wants a login") as caught,
    ):
        client.check_upload()
    assert "set $TWINE_INSIDE_PASSWORD" in caught.value.hint


def test_an_index_that_takes_uploads_of_anybody(
    trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(trusting, monkeypatch, OPEN) as client:
        assert client.for_upload().login is None
    assert not any(path.startswith("/_/") for _, _, path in trusting.asked)


@pytest.mark.parametrize("upload", ["http://packages.acme.example/", "https://127.0.0.1:1/"])
def test_no_proof_for_a_server_that_nobody_checks(upload: str) -> None:
    env = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "y"}
    spec = IndexSpec(name="inside", upload=upload)
    assert find_index(spec, env, alone=True).identity is None
    there = IndexSpec(name="inside", upload="https://packages.acme.example/")
    assert find_index(there, env, alone=True).identity is not None
    assert find_index(there, env | {"TWINE_PASSWORD": "z"}, alone=True).identity is None
