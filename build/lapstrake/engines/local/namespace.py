"""Runs what needs root over a tree: in a process of its own, in namespaces of its own.

Started as root, the child gets mount and PID namespaces; started by an ordinary user, also a user
namespace in which that user is root and the range of /etc/subuid are the others. All it mounts is
seen by it alone, and gone with it. It reads its job from a pipe, and ends when the pipe does: when
its parent dies, however that happens, the kernel closes the pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.store.store import Store

Json = dict[str, object]
Tick = Callable[[int], None]

_INSIDE = "lapstrake.engines.local.inside"


def is_rootless() -> bool:
    """Whether namespaces are made as an ordinary user."""
    return os.geteuid() != 0


def problem() -> UserError | None:
    """Why no namespace can be made on this machine; None where one can."""
    try:
        args = command()
    except UserError as error:
        return error
    result = process.run([*args, "true"], check=False)
    return None if result.code == 0 else _refused(result.tail)


def command() -> list[str]:
    """The words that start a program in the namespaces.

    Raises:
        UserError: a program or the user's range of ids is missing.
    """
    args = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
    if not is_rootless():
        return args
    process.need("newuidmap")
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):
        _need_range(path)
    return [*args, "--user", "--map-root-user", "--map-auto"]


def _need_range(path: Path) -> None:
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    try:
        lines = path.read_text().splitlines()
    except OSError:
        lines = []
    if not any(line.split(":")[0] in {name, str(uid)} for line in lines):
        raise UserError(
            f"{path} gives {name} no range of ids, which building without root needs",
            "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + name,
        )


def perform(job: str, arguments: Mapping[str, object], tick: Tick | None = None) -> Json:
    """Do a job of `inside` in fresh namespaces.

    Args:
        job: its name.
        arguments: its arguments, as plain JSON.
        tick: called with what the job reports as done, in bytes.

    Raises:
        UserError: what the job raised, or that no namespace can be made.
    """
    args = [*command(), sys.executable, "-m", _INSIDE]
    with tempfile.TemporaryFile() as errors:
        with process.spawn(
            args,
            env=_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors.fileno(),
        ) as child:
            answer = _converse(child, {"job": job, "arguments": dict(arguments)}, tick)
        if answer is None:
            raise _died(args, child.returncode, errors)
    return answer


# What our own Python needs there.
_PASSED = {"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"}
_PASSED_BEGIN = ("FAKETIME", "LC_", "LD_", "PYTHON")


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """The job's own environment, which commands in a root can read in /proc/1: nothing secret."""
    return {k: v for k, v in env.items() if k in _PASSED or k.startswith(_PASSED_BEGIN)}


def _converse(child: subprocess.Popen[bytes], request: Json, tick: Tick | None) -> Json | None:
    """Send the job and read reports until the answer; None where the child ended without one.

    Its standard input stays open until it has answered: that it closes means that we are gone.
    """
    if child.stdin is None or child.stdout is None:
        return None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
    for line in child.stdout:
        message = json.loads(line)
        if "tick" in message and tick is not None:
            tick(message["tick"])
        elif "error" in message:
            error = message["error"]
            raise UserError(error["message"], error["hint"], tuple(error["details"]))
        elif "result" in message:
            return dict(message["result"])
    return None


def _died(args: list[str], code: int, errors: IO[bytes]) -> Exception:
    errors.seek(0)
    said = errors.read().decode(errors="replace")
    failure = process.failed(process.Result(tuple(args), code, "", said))
    if isinstance(failure, process.Stopped):
        return failure
    if said.startswith("unshare:"):
        return _refused(failure.details)
    return RuntimeError(f"{_INSIDE} ended (exit {code}) without an answer\n{said}")


_SWITCHES = (
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


def _refused(details: tuple[str, ...]) -> UserError:
    if not is_rootless():
        return UserError(
            "this machine lets root make no namespaces",
            "inside a container, start that container with --privileged",
            details,
        )
    for path, forbidding, remedy in _SWITCHES:
        with contextlib.suppress(OSError):
            if Path(path).read_text().strip() == forbidding:
                return UserError(
                    "the kernel forbids ordinary users to make namespaces",
                    f"as root: {remedy}; or build as root",
                    details,
                )
    return UserError(
        "this machine lets ordinary users make no namespaces", "build as root", details
    )


@contextlib.contextmanager
def workspace(store: Store, prefix: str) -> Iterator[Path]:
    """A temporary folder of the store for a job's trees; removed at the end.

    What a rootless job leaves belongs to ids that only a namespace may remove.
    """
    with store.scratch(prefix) as folder:
        try:
            yield folder
        finally:
            if is_rootless():
                remove([folder / name for name in os.listdir(folder)])  # noqa: PTH208


def remove(paths: list[Path]) -> None:
    """Remove trees, also those whose files belong to the ids of an ordinary user's range."""
    if paths:
        perform("remove", {"paths": [str(path) for path in paths]})
