"""The one place that runs other programs."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lapstrake.errors import UserError
from lapstrake.redact import redact

# What installs a program that we call: the Debian package that carries it.
PACKAGE_OF = {
    "apt-get": "apt",
    "docker": "docker.io",
    "dockerd": "docker.io",
    "docker-registry": "docker-registry",
    "mmdebstrap": "mmdebstrap",
    "newuidmap": "uidmap",
    "skopeo": "skopeo",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "git": "git",
}

# Debian keeps some of what we call in folders that an ordinary user's PATH lacks.
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")

_TAIL_LINES = 20


@dataclass(frozen=True)
class Result:
    """What a finished program said: `stdout` and `stderr` are decoded, undecodable bytes kept."""

    args: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of what it said, for a person; without secrets."""
        said = redact(self.stderr.strip() or self.stdout.strip()).splitlines()
        return tuple(said[-_TAIL_LINES:])


def which(program: str) -> str | None:
    """The path of `program`, also where only root's PATH has it."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(program, path=os.pathsep.join((path, *_SYSTEM_PATH)))


def need(program: str) -> str:
    """The path of `program`; `UserError` with the line that installs it where it is missing."""
    found = which(program)
    if found is None:
        package = PACKAGE_OF.get(program, program)
        raise UserError(f"{program} is not installed", f"apt-get install {package}")
    return found


_running: set[subprocess.Popen[bytes]] = set()
_running_lock = threading.Lock()
_stopping = threading.Event()


class Stoppable(Protocol):
    """What waits for others, and can be told to wait no more."""

    def stop(self) -> None:
        """Give up; from any thread, and more than once."""


_stoppable: weakref.WeakSet[Stoppable] = weakref.WeakSet()


class Stopped(UserError):
    """A program was ended because the whole command is being ended."""


def run(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    check: bool = True,
    failure: str = "",
    hint: str = "",
) -> Result:
    """Run a program to its end and return what it said.

    Args:
        args: the program and its arguments; the program is looked up with `need`.
        env: the whole environment; ours where it is None.
        stdin: bytes for its standard input; empty where it is None.
        check: whether a non-zero exit raises `UserError` with the tail of what it said.
        failure: the error's message; by default "<program> failed (exit N)".

    Raises:
        UserError: the program is missing, or failed with `check`.
    """
    with spawn(args, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        out, err = child.communicate(stdin or b"")
    result = Result(
        args=tuple(str(a) for a in args),
        code=child.returncode,
        stdout=out.decode(errors="surrogateescape"),
        stderr=err.decode(errors="surrogateescape"),
    )
    if check and result.code != 0:
        raise failed(result, failure, hint)
    return result


def failed(result: Result, failure: str = "", hint: str = "") -> UserError:
    """The error for a program that ended badly (or that we ended)."""
    name = Path(result.args[0]).name
    if _stopping.is_set():
        return Stopped(f"{name} was stopped")
    message = failure or f"{name} failed (exit {result.code})"
    if "no space left on device" in result.stderr.lower():
        return UserError(f"{message}: no space left on device", "free some space", result.tail)
    return UserError(message, hint, result.tail)


@contextlib.contextmanager
def spawn(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program in a session of its own; it and its children are ended on the way out.

    A session of its own, because ^C on a terminal goes to the whole foreground group: the child
    would die before we could say why, and mounts would be left to chance. Should we be killed, the
    kernel kills the program.
    """
    argv = [*_dying_with_us(), need(str(args[0])), *(str(a) for a in args[1:])]
    child = subprocess.Popen(
        argv,
        env=None if env is None else dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    with _running_lock:
        _running.add(child)
    try:
        yield child
        child.wait()
    finally:
        _end(child)
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        with _running_lock:
            _running.discard(child)


@functools.cache
def _dying_with_us() -> tuple[str, ...]:
    """The words before a program that let it end with the thread that waits for it."""
    setpriv = which("setpriv") if sys.platform == "linux" else None
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def on_terminal() -> bool:
    """Whether a person sits at our standard input and output."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def interactive(args: Sequence[str | Path]) -> int:
    """Give the terminal to a program until it ends; its exit code.

    It stays in our process group: the terminal belongs to it, and so does ^C meanwhile.
    """
    argv = [need(str(args[0])), *(str(a) for a in args[1:])]
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.call(argv, preexec_fn=_default_interrupt)
    finally:
        signal.signal(signal.SIGINT, old)


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def also_stop(one: Stoppable) -> None:
    """Have something stopped with all programs, as long as it lives."""
    with _running_lock:
        _stoppable.add(one)


def stop_all() -> None:
    """End every program that is still running (their callers see `Stopped`)."""
    _stopping.set()
    with _running_lock:
        children, others = list(_running), list(_stoppable)
    for one in others:
        one.stop()
    for child in children:
        _signal(child, signal.SIGTERM)


def end_all(patience: float = 5.0) -> None:
    """`stop_all`, and see them end; who hasn't in `patience` seconds is killed."""
    stop_all()
    with _running_lock:
        children = list(_running)
    end = time.monotonic() + patience
    for child in children:
        try:
            child.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)
            child.wait()


def resume() -> None:
    """Allow programs to run again after `stop_all`: for who embeds us and goes on."""
    _stopping.clear()


def check_stopped() -> None:
    """To be called now and then by long work of our own: `Stopped` once it is to end."""
    if _stopping.is_set():
        raise Stopped("stopped")


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    _signal(child, signal.SIGTERM)
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
