from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from as_user import User
from debian_root import Debian

from lapstrake import process
from lapstrake.engines.local import namespace
from lapstrake.engines.local.run import run_layer
from lapstrake.errors import UserError
from lapstrake.layers.kinds import Run
from lapstrake.store.store import Store

pytestmark = pytest.mark.root

_PATIENCE = 60


def _await(condition: Callable[[], object]) -> None:
    """Wait until something holds; the limit is for what never does."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _processes(word: str) -> list[str]:
    """The command lines of this machine's processes that contain a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and "pytest" not in line:
            found.append(line)
    return found


def _mounts(word: str) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if word in line]


def _sleeping(number: float) -> Run:
    return Run("run", (), (), (f"touch /tmp/started; sleep {number}",), (), 1_700_000_000)


_PARENT = """
import pickle, sys
from pathlib import Path
from lapstrake.engines.local.run import run_layer
from lapstrake.store.store import Store
cache, layer, blob = pickle.loads(Path(sys.argv[1]).read_bytes())
run_layer(layer, [blob], {}, Store(cache), lambda _: None)
"""


@pytest.mark.network
@pytest.mark.slow
def test_kill_9_leaves_no_process_and_no_mount(debian: Debian, tmp_path: Path) -> None:
    number = 4000 + os.getpid() / 1e6
    file = tmp_path / "call"
    file.write_bytes(pickle.dumps((debian.store.root, _sleeping(number), debian.blob)))
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, file])
    _await(lambda: _processes(f"sleep {number}"))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _await(lambda: not _processes(f"sleep {number}"))
    assert _mounts(os.fspath(debian.store.root)) == []


@pytest.mark.network
@pytest.mark.slow
def test_what_is_stopped_ends_at_once_and_cleans_up(debian: Debian) -> None:
    number = 5000 + os.getpid() / 1e6
    raised: list[BaseException] = []

    def work() -> None:
        try:
            run_layer(_sleeping(number), [debian.blob], {}, debian.store, lambda _: None)
        except UserError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    _await(lambda: _processes(f"sleep {number}"))
    process.stop_all()
    thread.join(_PATIENCE)
    assert [type(error) for error in raised] == [process.Stopped]
    _await(lambda: not _processes(f"sleep {number}"))
    assert _mounts(os.fspath(debian.store.root)) == []


def test_trees_of_other_owners_are_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "locked").mkdir(parents=True)
    (tree / "locked/file").touch()
    os.chown(tree / "locked", 4321, 4321)
    (tree / "locked").chmod(0)
    (tmp_path / "link").symlink_to(tree)
    namespace.remove([tmp_path / "link", tree, tmp_path / "missing"])
    assert list(tmp_path.iterdir()) == []


def test_a_bug_inside_is_a_bug_outside() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'nonsense'"):
        namespace.perform("nonsense", {})


def test_errors_of_the_user_come_out_whole(store: Store, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"\x1f\x8b damaged")
    layer = {"blob": tmp_path / "blob", "staged": tmp_path / "a", "into": tmp_path / "b"}
    with pytest.raises(UserError, match="the layer blob is damaged"):
        namespace.perform("unpack", {"layers": [{k: str(v) for k, v in layer.items()}]})
    assert not (tmp_path / "b").exists()


def test_an_ordinary_user_can_build_here(user: User) -> None:
    assert user.call("rootless_calls:problem") == ""


def test_a_user_without_a_range_of_ids_is_told_what_to_do(rangeless_user: User) -> None:
    said = rangeless_user.call("rootless_calls:problem")
    assert isinstance(said, str)
    assert f"/etc/subuid gives {rangeless_user.name} no range of ids" in said
    assert "usermod --add-subuids" in said
