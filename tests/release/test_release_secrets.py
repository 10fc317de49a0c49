"""Canaries in every credential: none is in a log, the journal, a process list or an error."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from support.fault_proxy import Fault
from support.processes import Watch
from support.releases import VERSION, Released
from support.targets import LOGIN, Targets

TOKENS = {
    "GITHUB_TOKEN": "canary-github-0002",
    "GH_TOKEN": "canary-gh-0003",
    "TWINE_PASSWORD": "canary-twine-0004",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "canary-oidc-0005",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-0006",
}


def forms() -> Iterator[bytes]:
    """Everything that must be nowhere."""
    basic = base64.b64encode(":".join(LOGIN).encode()).decode()
    for secret in (*TOKENS.values(), LOGIN[1], quote(LOGIN[1]), basic):
        yield secret.encode()


def check_silent(data: bytes, where: str) -> None:
    for secret in forms():
        assert secret not in data, f"{secret!r} in {where}"


def released_with(
    targets: Targets, released: Released, *words: str
) -> subprocess.CompletedProcess[str]:
    return released.run(VERSION, "--prebuilt", *words, env={**targets.env, **TOKENS})


def check_everything(released: Released, done: subprocess.CompletedProcess[str]) -> None:
    check_silent((done.stdout + done.stderr).encode(), "what was said")
    count = 0
    for path in released.root.rglob("*"):
        if path.is_file():
            check_silent(path.read_bytes(), str(path))
            count += 1
    assert count > 20


def test_a_release_that_goes_well(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    with Watch() as watch:
        done = released_with(targets, released, "--progress", "json")
    assert done.returncode == 0, done.stderr
    check_everything(released, done)
    assert any(b"twine" in args for args in watch.seen)
    for args in watch.seen:
        check_silent(args, "a process list")
    # what the servers keep
    for path in targets.folder.rglob("*"):
        if path.is_file() and path.name not in {"auth.json", "htpasswd"}:
            check_silent(path.read_bytes(), str(path))
    assert len(targets.uploaded) == 4


@pytest.mark.parametrize("fault", ["401", "500", "reset"])
@pytest.mark.parametrize("server", ["second", "index"])
def test_one_that_fails(targets: Targets, tmp_path: Path, server: str, fault: Fault) -> None:
    released = targets.family(tmp_path / "a")
    first: list[int] = []

    def harm(number: int, method: str, path: str) -> Fault | None:
        del path
        if method == "POST" and number > 4:
            first.append(number)
        return fault if first else None

    getattr(targets, server).harm = harm
    done = released_with(targets, released)
    assert done.returncode == 1, done.stderr
    check_everything(released, done)


def test_a_server_that_says_what_it_was_told(targets: Targets, tmp_path: Path) -> None:
    """An answer with the login in it, as some proxies give: it isn't repeated."""
    released = targets.family(tmp_path / "a")
    for proxy in targets.proxies:
        proxy.echo = True
        proxy.harm = lambda n, m, _: "500" if m == "POST" and n > 6 else None
    done = released_with(targets, released)
    assert done.returncode == 1
    check_everything(released, done)
    said = json.loads((released.dist / f"release-{VERSION}.json").read_text())
    assert said["outcome"] == "failed"


def test_an_address_with_a_login_is_refused(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    path = released.root / "lapstrake.yaml"
    path.write_text(path.read_text().replace("http://", "http://me:canary-login-0001@"))
    done = released.run(VERSION, "--prebuilt")
    assert done.returncode == 1
    assert "logins belong in the environment" in done.stderr
    check_silent((done.stdout + done.stderr).encode(), "what was said")
