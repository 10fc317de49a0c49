"""^C and kill -9 at some moments of a `lock`: nothing is left, and the next one is the same."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_family import clean_environment, simple_index

from lapstrake.lock.model import LOCK_NAME
from support.ended import BOTH_WAYS, moments, with_temporary
from support.tiny import AptRepository, Request, serve, wheel

pytestmark = pytest.mark.slow

_FILES = {
    "lapstrake.yaml": "name: fam\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [tini]}\n",
    "images/slim/image.yaml": (
        "extends: base\napt: [python3, tool]\npython: {requirements: [serve]}\n"
    ),
    "runtimes/one/runtime.yaml": "python: {requirements: [aa]}\n",
    "runtimes/two/runtime.yaml": "python: {requirements: [bb]}\n",
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for name, needs in (("serve", []), ("aa", ["serve"]), ("bb", ["aa"])):
        wheel(folder, name, "1.0", needs)
    return folder


@pytest.fixture(scope="module")
def env(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An environment whose only index and mirror are small ones on this machine."""
    folder = tmp_path_factory.mktemp("indexes")
    mirror = AptRepository(folder / "mirror")
    mirror.essentials()
    mirror.add("tini", "0.19.0-1", "Depends: libc6")
    mirror.add("tool", "2.0", "Depends: tini")
    mirror.publish()
    with serve(simple_index(wheels)) as index:
        more = {"PIP_INDEX_URL": f"{index.url}/simple/", "LAPSTRAKE_DEBIAN_MIRROR": mirror.url}
        yield clean_environment(folder) | more


def write_repository(folder: Path) -> Path:
    """The definition in `folder`/repo; where its lock will be."""
    for name, text in _FILES.items():
        path = folder / "repo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "repo" / LOCK_NAME


def said_by(lock: Path) -> dict[str, object]:
    """What a lock says; its epoch is a day, which may have begun meanwhile."""
    found = json.loads(lock.read_bytes())
    del found["epoch"]
    return dict(found)


@BOTH_WAYS
def test_a_lock_ended_at_any_moment(
    env: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    expected = said_by_a_good_run(env, tmp_path / "first")
    lasts = with_temporary(env, tmp_path / "first", ["lock", "--upgrade-all"]).run()
    for moment, seconds in moments(lasts):
        folder = tmp_path / str(moment)
        path = write_repository(folder)
        command = with_temporary(env, folder, ["lock"])
        command.end_after(seconds, number)
        # there is none, or a whole one
        if path.exists():
            assert said_by(path) == expected
        if number == signal.SIGINT:
            assert command.leftovers == []
        command.run()
        assert said_by(path) == expected
        assert command.leftovers == []


def said_by_a_good_run(env: dict[str, str], folder: Path) -> dict[str, object]:
    path = write_repository(folder)
    with_temporary(env, folder, ["lock"]).run()
    return said_by(path)


def test_a_lock_that_is_there_stays_when_the_next_is_ended(
    env: dict[str, str], tmp_path: Path
) -> None:
    path = write_repository(tmp_path)
    lasts = with_temporary(env, tmp_path, ["lock"]).run()
    before = path.read_bytes()
    for number in (signal.SIGINT, signal.SIGKILL):
        command = with_temporary(env, tmp_path, ["lock", "--upgrade-all"])
        command.end_after(lasts / 2, number)
        assert path.read_bytes() == before


def test_nobody_waits_for_a_stalled_index_on_interrupt(
    env: dict[str, str], tmp_path: Path, wheels: Path
) -> None:
    honest, asked, over = simple_index(wheels), threading.Event(), threading.Event()

    def stalling(request: Request) -> None:
        # uv, which asks before, is a program and ended as one
        if request.path.endswith(".whl") and "uv/" not in request.headers["User-Agent"]:
            asked.set()
            over.wait(60)
        honest(request)

    path = write_repository(tmp_path)
    with serve(stalling) as index:
        own = env | {"PIP_INDEX_URL": f"{index.url}/simple/"}
        command = with_temporary(own, tmp_path, ["lock"])
        with command.begin() as child:
            assert asked.wait(60)
            child.send_signal(signal.SIGINT)
            try:
                said = child.communicate(timeout=20)[1]
            finally:
                over.set()
    assert child.returncode == 130, said
    assert "interrupted" in said
    assert command.leftovers == []
    assert not path.exists()
