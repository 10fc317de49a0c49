"""The service program: as a real process with a real logger."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lapstrake.guest import service

PROGRAM = [sys.executable, "-IS", str(Path(service.__file__))]


@pytest.fixture
def log() -> Iterator[Path]:
    """Where a service with a name of its own logs; its name is the stem."""
    path = Path(f"/tmp/lapstrake-test-{secrets.token_hex(8)}.log")
    yield path
    for file in (path, Path(f"{path}.1")):
        with contextlib.suppress(FileNotFoundError):
            file.unlink()


def run(log: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    args = [*PROGRAM, log.stem, "--", *command]
    return subprocess.run(args, capture_output=True, timeout=60, check=False)


def until(attempt: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not attempt():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_output_and_errors_go_to_the_log_and_to_the_output(log: Path) -> None:
    done = run(log, "sh", "-c", "echo one; echo two >&2; exit 5")
    assert done.returncode == 5
    assert sorted(done.stdout.split()) == [b"one", b"two"]
    assert log.read_bytes() == done.stdout


def test_the_log_grows_from_run_to_run(log: Path) -> None:
    run(log, "echo", "first")
    run(log, "echo", "second")
    assert log.read_text() == "first\nsecond\n"


def test_the_process_becomes_the_command_and_has_no_children(log: Path) -> None:
    script = "echo $$; cat /proc/$$/task/$$/children; exec cat"
    args = [*PROGRAM, log.stem, "--", "sh", "-c", script]
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        out, _ = child.communicate(b"", timeout=60)
    lines = out.decode().splitlines()
    assert int(lines[0]) == child.pid
    # the only child that the shell has is the `cat` that looks
    assert len(lines[1].split()) <= 1


def test_nothing_of_a_large_output_is_lost(log: Path) -> None:
    done = run(log, "sh", "-c", "seq 300000; printf last")
    assert done.stdout.endswith(b"\n300000\nlast")
    assert log.read_bytes() == done.stdout


def test_what_children_say_after_the_services_end_is_not_lost(log: Path) -> None:
    done = run(log, "sh", "-c", "(sleep 0.3; echo late) & echo early")
    assert done.stdout == b"early\nlate\n"
    assert log.read_bytes() == done.stdout


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or dead and nobody has asked for it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] in "ZX"
    except FileNotFoundError:
        return True


def test_children_that_outlive_a_killed_service_are_ended(log: Path) -> None:
    args = [*PROGRAM, log.stem, "--", "sh", "-c", "sleep 600 & echo $!; sleep 600"]
    with subprocess.Popen(args, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        orphan = int(child.stdout.readline())
        child.kill()
        assert child.stdout.read() == b""  # comes when the last of them has closed its output
    until(lambda: has_ended(orphan))


def test_a_group_that_is_not_the_services_own_is_left_alone(log: Path) -> None:
    done = run(log, "sh", "-c", "(sleep 1.5; echo late) & echo early")
    assert done.stdout == b"early\nlate\n"


def test_a_signal_meets_the_service(log: Path) -> None:
    args = [*PROGRAM, log.stem, "--", "sleep", "600"]
    with subprocess.Popen(args, stdout=subprocess.DEVNULL) as child:
        until(lambda: Path(f"/proc/{child.pid}/comm").read_text() == "sleep\n")
        child.terminate()
        assert child.wait(timeout=60) == -signal.SIGTERM


def test_the_service_goes_on_where_nobody_reads_the_output(log: Path) -> None:
    reader, writer = os.pipe()
    args = [*PROGRAM, log.stem, "--", "sh", "-c", "seq 100000; echo done"]
    with subprocess.Popen(args, stdout=writer) as child:
        os.close(writer)
        os.close(reader)
        assert child.wait(timeout=60) == 0
    until(lambda: log.read_bytes().endswith(b"\n100000\ndone\n"))


def test_a_dead_logger_blocks_no_service(log: Path) -> None:
    args = [*PROGRAM, log.stem, "--", "sh", "-c", "while :; do echo line; done"]
    with subprocess.Popen(args, stdout=subprocess.DEVNULL) as child:
        until(lambda: log.exists() and log.stat().st_size)
        until(lambda: logger_of(log) is not None)
        os.kill(logger_of(log) or 0, signal.SIGKILL)
        assert child.wait(timeout=60) != 0


def logger_of(log: Path) -> int | None:
    """The process that has the log open, by /proc."""
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            if any(link.resolve() == log for link in folder.iterdir()):
                return int(folder.parent.name)
    return None


def test_somebody_elses_link_in_place_of_the_log_is_not_followed(log: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    log.symlink_to(victim)
    done = run(log, "echo", "hello")
    assert done.stdout == b"hello\n"
    assert victim.read_text() == "precious"


def test_a_grown_log_is_moved_aside_once(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ROTATE_AT", 10)
    file = service.LogFile(log)
    for line in (b"first\n", b"second\n", b"third\n"):
        file.write(line)
    assert Path(f"{log}.1").read_bytes() == b"second\n"
    assert log.read_bytes() == b"third\n"


def test_lines_longer_than_a_pipe_takes_at_once_come_whole() -> None:
    reader, writer = os.pipe()
    data = b"x" * 10_000 + b"\n" + b"short\n"
    assert service.send(writer, data)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert file.read() == data


@pytest.mark.parametrize("arguments", [[], ["a/b"], ["a", "--"], ["a", "b"], ["", "--", "x"]])
def test_arguments_that_make_no_sense(arguments: list[str]) -> None:
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: service NAME [-- COMMAND…]\n".encode())


def test_a_command_that_is_missing_is_named_in_the_log(log: Path) -> None:
    done = run(log, "/no/such/command")
    assert done.returncode == 127
    assert log.read_text() == "service: /no/such/command: not found\n"


def test_the_defaults_of_signals_are_restored(log: Path) -> None:
    done = run(log, "grep", "SigIgn", "/proc/self/status")
    ignored = int(re.findall(rb"SigIgn:\s+(\w+)", done.stdout)[0], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1)
