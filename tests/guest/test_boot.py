"""boot: as a real process with a command, and its parts that need no container.

What needs one is in tests/smoke/test_containers.py.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lapstrake import process
from lapstrake.guest import boot

PROGRAM = [sys.executable, "-IS", str(Path(boot.__file__))]


def run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **(env or {})}
    return subprocess.run(
        [*PROGRAM, *command], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def key(tmp_path: Path) -> str:
    return make_key(tmp_path, "one")


def make_key(folder: Path, name: str) -> str:
    path = folder / name
    process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} key", "-f", path])
    return path.with_name(f"{name}.pub").read_text().strip()


# --- with a command ----------------------------------------------------------------------------


def test_a_command_runs_with_its_arguments_and_exit_code() -> None:
    done = run("sh", "-c", 'printf "%s|" "$@"; exit 3', "sh", "a b", "", "c'd")
    assert (done.returncode, done.stdout) == (3, "a b||c'd|")


def test_a_command_sees_the_given_environment_and_no_locale_of_pythons() -> None:
    done = run("env", "-0", env={"A.B": 'it\'s\n"q"'})
    found = dict(p.split("=", 1) for p in done.stdout.split("\0") if p)
    assert found["A.B"] == 'it\'s\n"q"'
    assert "LC_CTYPE" not in found


def test_a_missing_command_is_named() -> None:
    done = run("no-such-command")
    assert (done.returncode, done.stderr) == (127, "boot: no-such-command: not found\n")


def test_a_command_that_may_not_run_is_named(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    done = run(str(plain))
    assert (done.returncode, done.stderr) == (126, f"boot: {plain}: Permission denied\n")


# --- keys --------------------------------------------------------------------------------------


def test_keys_of_every_variable_in_order_each_once(tmp_path: Path, key: str) -> None:
    two, three = make_key(tmp_path, "two"), make_key(tmp_path, "three")
    environ = {
        "SSH_KEY": two,
        "PUBLIC_KEY": f"{key}\n\n# a comment\n {two} \n",
        "SSH_PUBKEY": three,
    }
    assert boot.given_keys(environ) == [key, two, three]


def test_an_env_file_may_say_newline_as_backslash_n(tmp_path: Path, key: str) -> None:
    two = make_key(tmp_path, "two")
    assert boot.given_keys({"PUBLIC_KEY": f"{key}\\n{two}"}) == [key, two]


def test_options_before_a_key_are_kept(key: str) -> None:
    line = f'from="10.0.0.0/8",no-pty {key}'
    assert boot.given_keys({"PUBLIC_KEY": line}) == [line]


def test_a_bad_key_is_reported_and_skipped(key: str, capfd: pytest.CaptureFixture[str]) -> None:
    bad = key.replace("AAAA", "BBBB")
    assert boot.given_keys({"SSH_PUBLIC_KEY": f"{bad}\n{key}"}) == [key]
    said = capfd.readouterr().err
    assert said == "boot: SSH_PUBLIC_KEY, line 1: no public key that ssh-keygen can read; skipped\n"


def test_a_private_key_is_refused_and_never_shown(
    tmp_path: Path, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    private = (tmp_path / "one").read_text()
    assert boot.given_keys({"SSH_KEY": private, "PUBLIC_KEY": key}) == [key]
    said = capfd.readouterr()
    assert "SSH_KEY holds a private key and was refused" in said.err
    assert not any(line in said.out + said.err for line in private.splitlines() if line)


def test_authorized_keys_are_added_to_and_closed_to_others(tmp_path: Path, key: str) -> None:
    usual, other = tmp_path / ".ssh/authorized_keys", tmp_path / "other"
    usual.parent.mkdir()
    usual.write_text("ssh-ed25519 AAAA mounted")  # without a newline at its end
    for _ in range(2):  # a container that is started again adds nothing
        assert boot.authorize([key], usual, other)
        assert usual.read_text() == f"ssh-ed25519 AAAA mounted\n{key}\n"
    assert stat.S_IMODE(usual.stat().st_mode) == 0o600
    assert not other.exists()


def test_keys_go_elsewhere_where_the_usual_place_is_read_only(tmp_path: Path, key: str) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    other = tmp_path / "other"
    assert boot.authorize([key], blocked / "authorized_keys", other)
    assert other.read_text() == f"{key}\n"


def test_mounted_keys_alone_are_keys_and_comments_are_not(tmp_path: Path) -> None:
    usual, other = tmp_path / "authorized_keys", tmp_path / "other"
    assert not boot.authorize([], usual, other)
    usual.write_text("# nobody yet\n\n")
    assert not boot.authorize([], usual, other)
    usual.write_text("ssh-ed25519 AAAA mounted\n")
    assert boot.authorize([], usual, other)


# --- running to the end ------------------------------------------------------------------------

_DRIVER = """
import os, signal, sys
from lapstrake.guest import boot
# what nohup has the tests ignore, if they run under it, would be ignored here too
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.exit(boot.run_to_end(["sh", "-c", sys.argv[1]], *os.pipe()))
"""


def start(script: str) -> subprocess.Popen[str]:
    args = [sys.executable, "-c", textwrap.dedent(_DRIVER), script]
    return subprocess.Popen(args, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 9", 9), ("kill -9 $$", 137)])
def test_the_exit_code_is_the_commands(script: str, code: int) -> None:
    with start(script) as child:
        child.communicate(timeout=60)
    assert child.returncode == code


def test_last_lines_of_a_logger_are_waited_for() -> None:
    with start("(sleep 0.5; echo last) & echo first") as child:
        out, _ = child.communicate(timeout=60)
    assert out == "first\nlast\n"


def test_a_logger_that_dawdles_is_not_waited_for() -> None:
    with start("sleep 300 & echo $!") as child:
        out, _ = child.communicate(timeout=60)
    sleeper = int(out)
    os.kill(sleeper, signal.SIGTERM)  # it was still there when boot ended
    assert child.returncode == 0


def test_a_large_output_comes_whole() -> None:
    with start("seq 200000") as child:
        out, _ = child.communicate(timeout=60)
    assert out.splitlines()[-1] == "200000"
    assert len(out.splitlines()) == 200_000


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1"])
def test_signals_are_passed_on(name: str) -> None:
    script = f"trap 'echo got; exit 4' {name}; echo ready; while :; do sleep 0.05; done"
    with start(script) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(getattr(signal, f"SIG{name}"))
        out, _ = child.communicate(timeout=60)
    assert (out, child.returncode) == ("got\n", 4)


# --- waking supervisor --------------------------------------------------------------------------

SLEEPER = """\
import select, socket, sys, time
time.sleep(0.3)
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("woken" if select.select([server], [], [], 30)[0] else "slept on")
"""


def test_who_waits_for_an_event_on_its_socket_is_woken_at_once(tmp_path: Path) -> None:
    """As supervisord does, which begins to listen some time after its start."""
    path = tmp_path / "socket"
    code = textwrap.dedent(f"""\
        import os, sys
        sys.path.insert(0, {str(Path(boot.__file__).parent)!r})
        import boot
        reader, writer = os.pipe()
        command = [sys.executable, "-c", {SLEEPER!r}, {str(path)!r}]
        sys.exit(boot.run_to_end(command, reader, writer, boot.Awakening({str(path)!r})))
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "woken\n"), done.stderr


def test_nobody_is_woken_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot.Awakening, "PATIENCE", 0.0)
    awakening = boot.Awakening(str(tmp_path / "nobody"))
    awakening.attempt()
    assert not awakening.is_due
