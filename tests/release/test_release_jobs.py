"""A release seen from other processes: its status, `cancel`, a second one of its version."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake_release.journal import Journal, State, open_journal, read_state, running
from support.fault_proxy import Fault
from support.invariants import check_end, check_now
from support.releases import VERSION
from support.stages import Stage, stage_in


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_in(tmp_path_factory.mktemp("jobs")) as found:
        yield found


class Held:
    """Lets a release come to a request of a phase, and no further until it is let go."""

    def __init__(self, stage: Stage, phase: str, method: str) -> None:
        self._wanted = (phase, method)
        self._stage = stage
        self._dropped = False
        self._go = threading.Event()
        self._reached = threading.Event()
        stage.targets.first.harm = self._harm

    def _harm(self, _: int, method: str, path: str) -> Fault | None:
        del path
        if not self._go.is_set() and (self._stage.phase, method) == self._wanted:
            self._reached.set()
            self._go.wait(60)
            return "reset" if self._dropped else None
        return None

    def wait(self) -> None:
        assert self._reached.wait(60)

    def let_go(self) -> None:
        self._go.set()

    def drop(self) -> None:
        """Let the request come to nothing."""
        self._dropped = True
        self._go.set()


def status(stage: Stage, *words: str) -> dict[str, object]:
    done = stage.released.run("status", *words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_the_status_of_a_release_that_runs(stage: Stage) -> None:
    stage.reset()
    held = Held(stage, "candidates", "PUT")
    with stage.begin() as child:
        held.wait()
        said = status(stage)
        assert said["state"] == "running"
        assert (said["phase"], said["version"], said["errors"]) == ("candidates", VERSION, [])
        assert (said["pid"], said["host"]) == (child.pid, socket.gethostname())
        assert said == {**status(stage, str(said["job"])), "percent": said["percent"]}
        held.let_go()
        text = child.communicate(timeout=60)[1]
    assert f"job {said['job']}: release {VERSION}" in text
    after = status(stage)
    assert (after["state"], after["pid"]) == ("done", None)
    assert set(after["phases"]) == {
        "check",
        "build",
        "candidates",
        "wheels",
        "names",
        "draft",
        "finally",
    }
    assert stage.released.run("status", "nonsense").returncode == 1


def test_the_second_of_two_says_who_holds_the_version(stage: Stage) -> None:
    stage.reset()
    held = Held(stage, "candidates", "PUT")
    with stage.begin() as child:
        held.wait()
        second = stage.begin()
        said = second.communicate(timeout=60)[1]
        job = status(stage)["job"]
        assert second.returncode == 1
        assert f"1.2.0 is being released already: job {job}, process {child.pid} on" in said
        held.let_go()
        assert child.wait(60) == 0
    check_end(stage.targets, stage.released)


@pytest.mark.parametrize("phase", ["candidates", "names"])
def test_cancel_ends_it_cleanly(stage: Stage, phase: str) -> None:
    stage.reset()
    held = Held(stage, phase, "PUT")
    with stage.begin() as child:
        held.wait()
        job = str(status(stage)["job"])
        cancelling = subprocess.Popen(
            stage.released.args("cancel", job),
            env=stage.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        # what is on its way then is left to itself
        out, said = child.communicate(timeout=60)
        held.drop()
        assert "cancelled" in cancelling.communicate(timeout=60)[0]
    assert child.returncode == 130, said
    assert f"{VERSION} cancelled: " in out
    assert status(stage)["state"] == "cancelled"
    for proxy in (stage.targets.first, stage.targets.second):
        names = stage.targets.names(proxy)
        assert not any("candidate" in n for n in names), said
        assert phase == "names" or names == {}
    check_now(stage.targets, stage.released)
    stage.run()
    check_end(stage.targets, stage.released)


def test_cancel_after_a_kill(stage: Stage) -> None:
    stage.reset()
    held = Held(stage, "names", "PUT")
    with stage.begin() as child:
        held.wait()
        job = str(status(stage)["job"])
        child.send_signal(signal.SIGKILL)
        child.wait(60)
    held.drop()
    assert status(stage)["state"] == "was killed: start it again"
    assert any("candidate" in n for n in stage.targets.names(stage.targets.second))
    done = stage.released.run("cancel", job, env=stage.targets.env)
    assert done.returncode == 0, done.stderr
    assert not any("candidate" in n for n in stage.targets.names(stage.targets.second))
    assert status(stage)["state"] == "cancelled"
    assert "isn't running" in stage.released.run("cancel", job).stdout
    stage.run()
    check_end(stage.targets, stage.released)


def test_a_journal_survives_lines_that_were_cut_off(tmp_path: Path) -> None:
    with open_journal(tmp_path, "1.0.0", "c") as journal:
        journal.done("names", "a", digest="x")
        job = journal.state.job
    path = tmp_path / "release-1.0.0.jsonl"
    with path.open("ab") as file:
        file.write(b'{"event": "done", "phase": "na')
    with open_journal(tmp_path, "1.0.0", "c") as journal:
        assert journal.fact("names", "a") == {"digest": "x"}
        journal.done("names", "b", digest="y")
    found = read_state(path)
    assert found is not None
    assert set(found.done) == {("names", "a"), ("names", "b")}
    assert (found.job, found.runs) == (job, 2)


def test_a_journal_without_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", 'canary"0001')
    path = tmp_path / "release-1.jsonl"
    with Journal(path, State("1")) as journal:
        journal.write("error", message='it said canary"0001 and https://me:pw12345@host/')
    assert "canary" not in path.read_text()
    assert "pw12345" not in path.read_text()
    assert json.loads(path.read_text())["message"] == "it said *** and https://***@host/"


def test_who_holds_a_version_is_seen_from_another_process(tmp_path: Path) -> None:
    assert running(tmp_path, "1.0.0") is None
    program = (
        "import sys, time; from pathlib import Path\n"
        "from lapstrake_release.journal import open_journal\n"
        f"with open_journal(Path({str(tmp_path)!r}), '1.0.0', 'c') as j:\n"
        "    print(j.state.job, flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    job = child.stdout.readline().strip()
    holder = running(tmp_path, "1.0.0")
    assert holder is not None
    assert (holder.pid, holder.job, holder.is_here) == (child.pid, job, True)
    with (
        pytest.raises(UserError, match=f"job {job}, process {child.pid}"),
        open_journal(tmp_path, "1.0.0", "c"),
    ):
        pass
    child.kill()
    child.communicate()
    assert running(tmp_path, "1.0.0") is None
    with open_journal(tmp_path, "1.0.0", "c") as journal:
        assert journal.state.job == job
