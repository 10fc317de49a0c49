"""The session program: as a real process in place of a login, and its rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lapstrake.guest import session

PROGRAM = [sys.executable, "-IS", str(Path(session.__file__))]


def run(env: dict[str, str], said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        PROGRAM, env=env, input=said, capture_output=True, timeout=60, check=False
    )


def test_a_command_runs_in_the_users_shell() -> None:
    done = run(
        {
            "SHELL": "/bin/sh",
            "SSH_ORIGINAL_COMMAND": 'echo "$0 $GREETING"; exit 7',
            "GREETING": "hé",
        }
    )
    assert (done.returncode, done.stdout.decode()) == (7, "sh hé\n")


def test_what_the_client_asked_for_is_not_passed_on() -> None:
    done = run({"SHELL": "/bin/sh", "SSH_ORIGINAL_COMMAND": "env", "SSH_CLIENT": "1 2 3"})
    names = {line.split(b"=")[0] for line in done.stdout.splitlines()}
    assert b"SSH_CLIENT" in names
    assert b"SSH_ORIGINAL_COMMAND" not in names


def test_python_adds_no_locale_of_its_own() -> None:
    done = run({"SHELL": "/bin/sh", "SSH_ORIGINAL_COMMAND": "env"})
    assert b"LC_CTYPE" not in done.stdout


def test_without_a_command_it_is_a_login_shell(tmp_path: Path) -> None:
    (tmp_path / ".profile").write_text("echo the profile was read\n")
    done = run({"SHELL": "/bin/sh", "HOME": str(tmp_path)}, b'echo "$0"\n')
    assert done.stdout.decode().splitlines()[-2:] == ["the profile was read", "-sh"]


def test_a_shell_that_is_missing_is_named() -> None:
    done = run({"SHELL": "/no/such/shell"})
    assert done.returncode == 126
    assert done.stderr == b"/no/such/shell: No such file or directory\n"


def test_the_inner_sftp_server_is_replaced_by_the_program() -> None:
    environ = {b"SHELL": b"/bin/sh", b"SSH_ORIGINAL_COMMAND": b"internal-sftp -f AUTH"}
    program, arguments = session.command(environ)
    assert program in session.SFTP_SERVERS
    assert arguments == [program]


def test_the_container_wins_but_for_what_is_the_sessions_own() -> None:
    container = {
        b"PATH": b"/opt/bin",
        b"HOME": b"/x",
        b"LANG": b"C",
        b"SSH_KEY": b"k",
        b"A.B": b"1",
    }
    own = {
        b"PATH": b"/bin",
        b"HOME": b"/root",
        b"LANG": b"de",
        b"SSH_TTY": b"/dev/pts/0",
        b"LC_ALL": b"fr",
    }
    assert session.merge(container, own) == {
        b"PATH": b"/opt/bin",
        b"HOME": b"/root",
        b"LANG": b"C",
        b"LC_ALL": b"fr",
        b"SSH_KEY": b"k",
        b"SSH_TTY": b"/dev/pts/0",
        b"A.B": b"1",
    }


def test_values_with_quotes_newlines_and_odd_bytes_are_read_as_they_are() -> None:
    block = b'A=it\'s "q"\nB=2\0C.D=\xff=\n\0E=\0'
    assert session.parse(block) == {b"A": b'it\'s "q"\nB=2', b"C.D": b"\xff=\n", b"E": b""}
