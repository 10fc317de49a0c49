"""A recorded session, a real engine where one answers, and layers of every kind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagger_recorder import Session, serve_session

from lapstrake.oci.archive import pack

TOP = Path(__file__).parents[3]

# the small family, whose index and registry lie on loopback
sys.path.append(str(TOP / "tests/faults"))

# In the background of a script ^C is ignored, by what it starts too; here it has to be felt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_ASK = "import anyio, dagger\nasync def f():\n async with dagger.connection(): pass\nanyio.run(f)"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session that records; this process runs in it."""
    for name in [n for n in os.environ if n.startswith(("PIP_", "UV_", "LAPSTRAKE_"))]:
        monkeypatch.delenv(name)
    with serve_session() as (found, env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture(scope="session")
def engine() -> None:
    """A Dagger engine that answers; the test is skipped where there is none."""
    given = [
        n for n in ("DAGGER_SESSION_PORT", "_EXPERIMENTAL_DAGGER_RUNNER_HOST") if n in os.environ
    ]
    if not given:
        pytest.skip("no Dagger engine: neither a session nor _EXPERIMENTAL_DAGGER_RUNNER_HOST")
    try:
        said = subprocess.run(
            [sys.executable, "-c", _ASK], capture_output=True, text=True, check=False, timeout=60
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"the Dagger engine that {given[0]} names doesn't answer in 60 s")
    if said.returncode != 0:
        reason = (said.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"the Dagger engine that {given[0]} names doesn't answer: {reason}")


@pytest.fixture(scope="session")
def toolchain(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a toolchain: $LAPSTRAKE_TOOLCHAIN, else the family's own, built here."""
    if named := os.environ.get("LAPSTRAKE_TOOLCHAIN"):
        return Path(named)
    folder = tmp_path_factory.mktemp("toolchain")
    words = [sys.executable, "-m", "lapstrake", "-C", str(TOP), "build", "toolchain"]
    subprocess.run([*words, "--engine", "local", "--out", str(folder / "dist")], check=True)
    pack(folder / "dist", folder / "toolchain.tar")
    return folder / "toolchain.tar"
