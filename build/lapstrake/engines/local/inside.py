"""What runs in the namespaces: one job, read from standard input, answered on standard output.

Started by `namespace.perform` alone. The request is one line of JSON; reports and the answer are
lines of JSON. Being the first process of its PID namespace, it takes all that it started with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO, cast

from lapstrake.errors import UserError
from lapstrake.store.store import file_system_errors

Json = dict[str, object]
Tick = Callable[[int], None]
Job = Callable[[Json, Tick], Json]

# Jobs by name; what they need is imported when one is asked for.
_JOBS = {
    "bootstrap": "lapstrake.engines.local.bootstrap:bootstrap_inside",
    "bytecode": "lapstrake.engines.local.bytecode:compile_inside",
    "remove": "lapstrake.engines.local.inside:remove_inside",
    "run": "lapstrake.engines.local.run_inside:run_inside",
    "unpack": "lapstrake.engines.local.trees:unpack_inside",
    "wheel": "lapstrake.engines.local.source_wheel:build_inside",
}

_PR_SET_PDEATHSIG = 1

# A report for each of a root's ten thousand files would cost more than their digests.
_TICK_SECONDS = 0.05


def main() -> None:
    """Do the one job, and answer."""
    _end_with_parent()
    answers = _own_stdout()
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_watch_parent, daemon=True).start()

    def say(message: Json) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    try:
        job, arguments = _job(request["job"]), request["arguments"]
        with file_system_errors(Path("the cache")):
            answer = job(arguments, _ticking(lambda done: say({"tick": done})))
        say({"result": answer})
    except UserError as error:
        details = list(error.details)
        say({"error": {"message": error.message, "hint": error.hint, "details": details}})


def _ticking(say: Tick) -> Tick:
    """Reports what was done since the last report, not more often than anybody can see."""
    pending, last = 0, 0.0

    def tick(done: int) -> None:
        nonlocal pending, last
        pending += done
        now = time.monotonic()
        if now - last >= _TICK_SECONDS:
            say(pending)
            pending, last = 0, now

    return tick


def _job(name: str) -> Job:
    module, _, function = _JOBS[name].partition(":")
    return cast("Job", getattr(import_module(module), function))


def _own_stdout() -> IO[bytes]:
    """Keep standard output for answers: what programs print goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _end_with_parent() -> None:
    """End when `unshare` dies, and when asked to: the first process ignores signals otherwise."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: os._exit(128 + number))


def _watch_parent() -> None:
    """End when standard input does, since then whoever wanted an answer is gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


def remove_inside(arguments: Json, _: Tick) -> Json:
    """Remove the trees `paths`."""
    for name in cast("list[str]", arguments["paths"]):
        path = Path(name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, onerror=_unlock)
        else:
            path.unlink(missing_ok=True)
    return {}


def _unlock(_function: object, path: str, _error: object) -> None:
    """An overlay's work folder has mode 0: root may, but a namespace's must open it first."""
    Path(path).chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main()
