"""Containers of a command that was killed: the next one removes them, and no others."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from lapstrake import process
from lapstrake.smoke.owner import is_gone, this_process

_SAYS_WHO = "from lapstrake.smoke.owner import this_process; print(this_process(), flush=True); "
_WAITS = "import sys; sys.stdin.read()"


def test_a_process_that_lives_and_one_that_was_killed() -> None:
    assert not is_gone(this_process())
    args = [sys.executable, "-c", _SAYS_WHO + _WAITS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(args, text=True, **pipes) as child:  # type: ignore[call-overload]
        owner = child.stdout.readline().strip()
        assert not is_gone(owner)
        child.send_signal(signal.SIGKILL)
        # it has ended even while nobody has asked for its exit code
        end = time.monotonic() + 20
        while not is_gone(owner):
            assert time.monotonic() < end
    assert is_gone(owner)


def test_a_number_that_was_given_out_again() -> None:
    where, _, began = this_process().rpartition(" ")
    assert is_gone(f"{where} {int(began) - 1}")


@pytest.mark.parametrize("owner", ["", "7", "another-boot pid:[4026531836] 1 0", "a b c"])
def test_of_whom_nothing_is_known_nothing_is_said(owner: str) -> None:
    assert not is_gone(owner)


@pytest.mark.root
def test_a_process_of_another_namespace() -> None:
    code = f"from lapstrake.smoke.owner import is_gone; print(is_gone({this_process()!r}))"
    said = process.run(["unshare", "--pid", "--fork", sys.executable, "-c", code])
    assert said.stdout == "False\n"
