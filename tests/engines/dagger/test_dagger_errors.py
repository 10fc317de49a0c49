"""What goes wrong with an engine: one line, a hint, and what was finished stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dagger_layers import PLAIN, ROOT
from dagger_recorder import Chain, Failure, Session, serve_session
from test_dagger_graph import PINNED, build, plan

from lapstrake.engines.choice import chosen_engine
from lapstrake.engines.dagger import session as sessions
from lapstrake.engines.dagger.engine import DaggerEngine
from lapstrake.engines.dagger.graph import Toolchain
from lapstrake.errors import UserError
from lapstrake.report.progress import Plain
from lapstrake.store.store import Store


def failing(session: Session, message: str) -> None:
    def work(_: Chain) -> None:
        raise Failure(message)

    session.on_work = work


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (
            "failed to mount: write /x: no space left on device",
            "the Dagger engine's disk is full",
            "dagger core engine local-cache prune",
        ),
        (
            "client version v0.21.8 is incompatible with this engine",
            "the Dagger engine has another version than dagger-io",
            "docs/dagger.md",
        ),
        (
            'failed to prepare mounts: rpc error: secret env var not found: "NOP..."',
            "a secret is missing",
            "check the variable",
        ),
        (
            'failed to read secret file "/x": open /x: no such file or directory',
            "a secret is missing",
            "check the variable",
        ),
        (
            "something [traceparent:29cda9d57b330a3c-e247bdef4c8f50a5]\nelse",
            "the Dagger engine failed: something",
            "dagger.log",
        ),
    ],
)
def test_what_an_engine_says(
    session: Session, store: Store, said: str, message: str, hint: str
) -> None:
    failing(session, said)
    with pytest.raises(UserError) as caught:
        build(store, ROOT)
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_a_password_in_what_an_engine_says_is_hidden(session: Session, store: Store) -> None:
    failing(session, "can't read https://me:hunter22@index.example.org/simple/")
    with pytest.raises(UserError) as caught:
        build(store, ROOT)
    assert "hunter22" not in caught.value.message


def test_a_connection_that_is_lost(session: Session, store: Store) -> None:
    def work(_: Chain) -> None:
        raise ConnectionResetError

    session.on_work = work
    with pytest.raises(UserError, match="the connection to the Dagger engine was lost") as caught:
        build(store, ROOT)
    assert caught.value.hint.startswith("what was finished is kept: build again")


def test_a_session_that_is_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_session() as (_, env):
        pass
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="no Dagger engine answers: all connection attempts failed"):
        build(store, ROOT)


def test_a_session_without_its_token(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGGER_SESSION_PORT", "1")
    monkeypatch.delenv("DAGGER_SESSION_TOKEN", raising=False)
    with pytest.raises(UserError, match="dagger_session_token must be set"):
        build(store, ROOT)


@pytest.mark.parametrize("address", ["unix:///nowhere/engine.sock", "tcp://127.0.0.1:1"])
def test_an_address_where_nobody_answers(
    store: Store, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.delenv("DAGGER_SESSION_PORT", raising=False)
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", address)

    def toolchain(*_: object) -> Toolchain:
        raise AssertionError("a toolchain was made for an engine that isn't there")

    with (
        Plain() as progress,
        pytest.raises(UserError, match=f"no Dagger engine answers at {address}: ") as caught,
    ):
        DaggerEngine(toolchain).build(plan([ROOT]), store, progress, 1)
    assert "--engine local" in caught.value.hint


@pytest.fixture
def fake_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in place of `dagger`; tests write what it does."""
    monkeypatch.delenv("DAGGER_SESSION_PORT", raising=False)
    monkeypatch.delenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", raising=False)
    path = tmp_path / "bin/dagger"
    path.parent.mkdir()
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", str(path))
    return path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_an_engine_that_can_not_be_started(store: Store, fake_program: Path) -> None:
    script(fake_program, r"printf '\033[31mError: no driver\033[0m\n' >&2; exit 1")
    with pytest.raises(UserError, match="no Dagger engine answers") as caught:
        build(store, ROOT)
    assert caught.value.details == ("Error: no driver",)


def test_an_engine_of_another_version(store: Store, fake_program: Path) -> None:
    script(fake_program, "echo 'incompatible engine version v0.9.0' >&2; exit 1")
    with pytest.raises(UserError, match="the Dagger engine has another version"):
        build(store, ROOT)


def test_an_engine_that_never_answers(
    store: Store, fake_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(fake_program, "exec sleep 600")
    monkeypatch.setattr(sessions, "_BEGIN", 0.2)
    monkeypatch.setattr(sessions, "_SHORT_GOODBYE", 0.2)
    with pytest.raises(UserError, match="no Dagger engine answers"):
        build(store, ROOT)


def test_a_program_that_is_not_there(store: Store, fake_program: Path) -> None:
    with pytest.raises(UserError, match=f"there is no program {fake_program}"):
        build(store, ROOT)


def test_dagger_io_that_is_not_installed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dagger", None)
    monkeypatch.setattr(sessions.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="which is not installed") as caught:
        build(store, ROOT)
    assert "pip install 'lapstrake[dagger]'" in caught.value.hint


_BUILD = f"""
import sys
from pathlib import Path
sys.path[:0] = {sys.path!r}
from dagger_layers import PLAIN
from lapstrake.cli import main
from lapstrake.store.store import Store
from test_dagger_graph import build
main._run = lambda: build(Store(Path(sys.argv[1])), PLAIN)
main.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build(session: Session, tmp_path: Path, number: signal.Signals) -> None:
    """The session that was given stays; the exit code is that of an interruption."""
    asked: list[Chain] = []

    def work(chain: Chain) -> None:
        asked.append(chain)
        if len(asked) > 1:
            time.sleep(30)

    session.on_work = work
    child = subprocess.Popen(
        [sys.executable, "-c", _BUILD, str(tmp_path / "cache")],
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    while len(asked) < 2 and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(number)
    _, said = child.communicate(timeout=20)
    assert child.returncode == 130, said
    assert said.strip().endswith("interrupted")
    assert "Traceback" not in said
    assert list((tmp_path / "cache/tmp").iterdir()) == []


def test_which_engine_builds() -> None:
    assert chosen_engine(None, {}, "linux") == "local"
    assert chosen_engine(None, {}, "darwin") == "dagger"
    assert chosen_engine(None, {"DAGGER_SESSION_PORT": "1"}, "linux") == "dagger"
    assert chosen_engine("local", {"DAGGER_SESSION_PORT": "1"}, "linux") == "local"
    assert chosen_engine(None, {"LAPSTRAKE_ENGINE": "dagger"}, "linux") == "dagger"
    assert chosen_engine("local", {"LAPSTRAKE_ENGINE": "dagger"}, "linux") == "local"
    with pytest.raises(UserError, match="'podman', which is no engine"):
        chosen_engine(None, {"LAPSTRAKE_ENGINE": "podman"}, "linux")


def test_a_pinned_reference_is_what_is_asked_for(session: Session, store: Store) -> None:
    build(store, PLAIN)
    assert any(call.args.get("address") == PINNED for call in session.asked[0])


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (
            "/lapstrake/cache can't be written: no space left on device",
            "the Dagger engine's disk is full",
            "dagger core engine local-cache prune",
        ),
        (
            "the package index can't be reached: dns error",
            "the package index can't be reached: dns error",
            "fetch: client",
        ),
    ],
)
def test_what_our_program_says_in_an_engine(
    session: Session, store: Store, said: str, message: str, hint: str
) -> None:
    def work(_: Chain) -> None:
        error = {"message": said, "hint": "do something", "details": []}
        raise Failure(
            "exit code: 1",
            _type="EXEC_ERROR",
            cmd=["python3"],
            exitCode=1,
            stdout=json.dumps({"error": error}),
            stderr="",
        )

    session.on_work = work
    with pytest.raises(UserError) as caught:
        build(store, ROOT)
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_a_program_that_was_killed(session: Session, store: Store) -> None:
    def work(_: Chain) -> None:
        raise Failure(
            "exit code: 137",
            _type="EXEC_ERROR",
            cmd=["python3", "-m", "lapstrake.engines.dagger.inside"],
            exitCode=137,
            stdout="",
            stderr="one\ntwo",
        )

    session.on_work = work
    with pytest.raises(UserError, match=r"failed in the Dagger engine \(exit 137\)") as caught:
        build(store, ROOT)
    assert caught.value.details == ("one", "two")
