#!/usr/bin/python3 -IS
"""What sshd runs in place of every login, command and file transfer (its ForceCommand).

sshd gives a session an environment of its own. This puts the container's back, then becomes what
was asked for: a login shell, a command, or a file transfer.

This runs inside images: the standard library of Python 3.9 only.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

ENVIRON = Path("/run/lapstrake/environ")

# What belongs to the session, whatever the container says.
OWN = frozenset((b"HOME", b"USER", b"LOGNAME", b"SHELL", b"TERM", b"MAIL"))

SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
)


def parse(block: bytes) -> dict[bytes, bytes]:
    """The variables of a NUL-separated block, as in /proc/PID/environ."""
    pairs = (part.partition(b"=") for part in block.split(b"\0") if b"=" in part)
    return {name: value for name, _, value in pairs}


def merge(container: dict[bytes, bytes], session: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The container's variables over the session's, but for what is the session's own."""
    own = {k: v for k, v in session.items() if k in OWN or k.startswith(b"SSH_")}
    return {**session, **container, **own}


def command(environ: dict[bytes, bytes]) -> tuple[str, list[str]]:
    """The program to become, and its arguments.

    sshd names a subsystem as its configuration does: `internal-sftp` is inside sshd, and has to
    be replaced by the program that does the same.
    """
    shell = os.fsdecode(environ.get(b"SHELL", b"/bin/sh"))
    asked = environ.get(b"SSH_ORIGINAL_COMMAND")
    if asked is None:
        return shell, [f"-{Path(shell).name}"]
    if asked.split()[:1] == [b"internal-sftp"]:
        server = next((s for s in SFTP_SERVERS if Path(s).exists()), SFTP_SERVERS[0])
        return server, [server]
    return shell, [Path(shell).name, "-c", os.fsdecode(asked)]


def main() -> int:
    """Become what was asked for."""
    try:
        container = parse(ENVIRON.read_bytes())
    except OSError:  # not root's session: the file is root's alone, as secrets may be in it
        container = {}
    # not os.environ: Python gives itself an LC_CTYPE where there is no locale
    environ = merge(container, parse(Path("/proc/self/environ").read_bytes()))
    program, arguments = command(environ)
    environ.pop(b"SSH_ORIGINAL_COMMAND", None)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execve(program, arguments, environ)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"{program}: {error.strerror}\n")
        return 126


if __name__ == "__main__":
    sys.exit(main())
