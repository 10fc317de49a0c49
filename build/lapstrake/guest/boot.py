#!/usr/bin/python3 -IS
"""What tini starts in every image: a command, or the services.

`boot COMMAND…` becomes that command. `boot` alone starts the image's services: as root under
supervisor, with an SSH server where a public key was given; as anyone else, or where there is no
supervisor, the main service and nothing more.

boot stays, as the parent of what it started: it passes signals on and copies the services' output
to the container's, so that the last lines are out before the container ends.

This runs inside images: the standard library of Python 3.9 only.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

RUN = Path("/run/lapstrake")
IMAGE = Path("/etc/lapstrake/image.json")
SUPERVISOR_CONFIG = "/etc/supervisor/supervisord.conf"
SUPERVISOR_SOCKET = "/run/supervisor.sock"
SERVICE = "/usr/lib/lapstrake/service"
SSHD_CONFIG = """\
; Written by boot, because a public key was given.
[program:sshd]
command=/usr/lib/lapstrake/service sshd -- /usr/lib/lapstrake/sshd
autorestart=true
startretries=999999
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
"""
KEY_VARIABLES = ("PUBLIC_KEY", "SSH_PUBLIC_KEY", "SSH_PUBKEY", "SSH_KEY")
PASSED_ON = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH")

# How long the services' loggers have, once everything else has ended, to write what they hold.
LAST_LINES_SECONDS = 2.0


def say(message: str) -> None:
    """One line for the container's log."""
    sys.stderr.write(f"boot: {message}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Become the command, or run the services to their end."""
    forget_own_locale()
    if os.geteuid() != 0:
        set_home()
    if arguments:
        return become(arguments)
    if os.geteuid() == 0:
        supervisord = shutil.which("supervisord", path="/usr/bin:/usr/local/bin")
        try:
            has_keys = prepare_root()
        except OSError as error:
            say(f"can't write {error.filename}: {error.strerror}; the main service runs alone")
            supervisord = None
        else:
            if supervisord is not None:
                offer_ssh(has_keys)
                reader, writer = log_channel()
                command = [supervisord, "--nodaemon", "--configuration", SUPERVISOR_CONFIG]
                return run_to_end(command, reader, writer, Awakening(SUPERVISOR_SOCKET))
            say("the image has no supervisor: the main service runs alone, without SSH")
    return run_main_service()


def become(command: list[str]) -> int:
    """Replace this process by the command; 127 or 126 where that fails, as a shell would."""
    restore_signals()
    try:
        os.execvp(command[0], command)  # noqa: S606
    except FileNotFoundError:
        say(f"{command[0]}: not found")
        return 127
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return 126


def run_main_service() -> int:
    """Run the main service alone: no supervisor, no SSH."""
    main_service = json.loads(IMAGE.read_text(encoding="utf-8"))["main"]
    if main_service is None:
        say("the image has no main service: start it as root, or give it a command")
        return 1
    reader, writer = os.pipe()
    return run_to_end([SERVICE, main_service], reader, writer)


def forget_own_locale() -> None:
    """Python gives itself an LC_CTYPE where there is no locale; what we start mustn't see it."""
    given = b"\0" + Path("/proc/self/environ").read_bytes()
    if b"\0LC_CTYPE=" not in given:
        os.environ.pop("LC_CTYPE", None)


def set_home() -> None:
    """Give who isn't root a home they can write to, and a name: many libraries ask for both."""
    try:
        entry = pwd.getpwuid(os.geteuid())
        user, home = entry.pw_name, entry.pw_dir
    except KeyError:  # an arbitrary user, as OpenShift starts containers
        user, home = str(os.geteuid()), "/tmp"
    if not os.access(os.environ.get("HOME", ""), os.W_OK):
        os.environ["HOME"] = home if os.access(home, os.W_OK) else "/tmp"
    for name in ("USER", "LOGNAME"):
        os.environ.setdefault(name, user)


# --- preparing a container that runs as root ------------------------------------------------


def prepare_root() -> bool:
    """Write what the sessions and the SSH server read; whether anyone may log in.

    Raises:
        OSError: the container's /run can't be written.
    """
    (RUN / "supervisor").mkdir(mode=0o755, parents=True, exist_ok=True)
    environ = b"".join(k + b"=" + v + b"\0" for k, v in os.environb.items())
    write(RUN / "environ", environ, 0o600)
    keys = given_keys(dict(os.environ))
    return authorize(keys, Path("/root/.ssh/authorized_keys"), RUN / "authorized_keys")


def write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step; nobody ever sees it with another mode or half of it."""
    staged = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        staged.unlink()
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    staged.replace(path)


def given_keys(environ: dict[str, str]) -> list[str]:
    """Every valid public key in the environment, in order, each once; others are reported.

    A key is never printed: someone may have pasted the private one.
    """
    keys: list[str] = []
    for name in KEY_VARIABLES:
        text = environ.get(name, "")
        if "PRIVATE KEY" in text or text.startswith("PuTTY-User-Key-File"):
            say(f"{name} holds a private key and was refused: give the public one (*.pub)")
            continue
        # an --env-file can't hold a newline: there people write \n
        lines = text.splitlines() if "\n" in text else text.split("\\n")
        for number, line in enumerate(lines, 1):
            key = line.strip()
            if not key or key.startswith("#") or key in keys:
                continue
            if is_public_key(key):
                keys.append(key)
            else:
                say(f"{name}, line {number}: no public key that ssh-keygen can read; skipped")
    return keys


def is_public_key(line: str) -> bool:
    """Whether ssh-keygen can read the line as a public key."""
    program = shutil.which("ssh-keygen", path="/usr/bin:/usr/local/bin:/bin")
    if program is None:
        return False
    found = subprocess.run(
        [program, "-l", "-f", "-"],
        input=f"{line}\n".encode(errors="surrogateescape"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return found.returncode == 0


def authorize(keys: list[str], usual: Path, other: Path) -> bool:
    """Add the keys to root's; where those are mounted read-only, to a file of our own.

    Returns:
        Whether there is any key now, given or mounted.
    """
    have = ""
    with contextlib.suppress(OSError):
        have = usual.read_text(errors="surrogateescape")
    present = {line.strip() for line in have.splitlines()}
    missing = [key for key in keys if key not in present]
    mounted = any(line and not line.startswith("#") for line in present)
    if missing:
        start = have if not have or have.endswith("\n") else have + "\n"
        added = "".join(f"{key}\n" for key in missing)
        try:
            usual.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write(usual, (start + added).encode(errors="surrogateescape"), 0o600)
        except OSError:
            write(other, added.encode(errors="surrogateescape"), 0o600)
    return bool(keys) or mounted


def offer_ssh(has_keys: bool) -> None:
    """Have supervisor run the SSH server where there is a key, and only there."""
    config = RUN / "supervisor" / "sshd.conf"
    if not has_keys:
        with contextlib.suppress(FileNotFoundError):
            config.unlink()
    elif not Path("/usr/sbin/sshd").exists():
        say("a public key was given, but the image has no SSH server")
    else:
        write(config, SSHD_CONFIG.encode(), 0o644)


# --- running ---------------------------------------------------------------------------------


def log_channel() -> tuple[int, int]:
    """A FIFO that the services' loggers write to; both of its ends, opened here.

    A FIFO, because supervisor closes all other descriptors of what it starts; writable by all,
    because a service may run as another user.
    """
    path = RUN / "log"
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    os.mkfifo(path)
    path.chmod(0o622)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    return reader, os.open(path, os.O_WRONLY)


class Awakening:
    """Makes supervisord start its services now.

    It waits for events before it looks at what is to be started, at most a second; a connection
    to its socket is an event. Attempts go on until one succeeds, or `PATIENCE` is over.
    """

    INTERVAL = 0.01
    PATIENCE = 10.0

    def __init__(self, path: str) -> None:
        self._path = path
        self._end = time.monotonic() + self.PATIENCE
        self.is_due = True

    def attempt(self) -> None:
        """Connect, if by now there is somebody who listens."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._path)
            self.is_due = False
        self.is_due = self.is_due and time.monotonic() < self._end


def run_to_end(
    command: list[str], reader: int, writer: int, awakening: Awakening | None = None
) -> int:
    """Run the command with its output to `writer`, which is closed; copy `reader` to our output.

    Returns:
        The command's exit code; 128 + N where signal N ended it.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    os.close(writer)

    def pass_on(number: int, _frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    for name in PASSED_ON:
        signal.signal(getattr(signal, name), pass_on)
    os.set_blocking(reader, False)
    copy_output(child, reader, woken, awakening)
    code = child.wait()
    return code if code >= 0 else 128 - code


def copy_output(
    child: subprocess.Popen[bytes], reader: int, woken: int, awakening: Awakening | None = None
) -> None:
    """Copy until the child has ended and every logger has closed its end (or dawdles)."""
    deadline: float | None = None
    waiting = [reader, woken]
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if awakening is not None and awakening.is_due and deadline is None:
            left = awakening.INTERVAL
            awakening.attempt()
        ready = select.select(waiting, [], [], left)[0]
        if woken in ready:
            os.read(woken, 4096)
        if reader in ready:
            chunk = os.read(reader, 65536)
            emit(chunk)
            if not chunk:  # all writers are gone; a FIFO would be readable for ever
                waiting.remove(reader)
        if deadline is None and child.poll() is not None:
            deadline = time.monotonic() + LAST_LINES_SECONDS
        if deadline is not None and (reader not in waiting or time.monotonic() >= deadline):
            return


def emit(data: bytes) -> None:
    """Write to the container's output; where nobody reads it any more, services go on."""
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while view:
            view = view[os.write(1, view) :]


def restore_signals() -> None:
    """Undo what Python itself ignores: what we become expects the defaults."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
