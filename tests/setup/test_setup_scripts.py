from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((TOP / "setup").glob("*.sh"))
BASH = "/bin/bash"


def bash(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script from the top of the repository with no settings but the machine's and `env`."""
    kept = {k: v for k, v in os.environ.items() if not re.match(r"(?i)PIP_|UV_|SSL_|REQUESTS_", k)}
    return subprocess.run(
        [BASH, "-euc", script], cwd=TOP, env=kept | env, capture_output=True, text=True, check=False
    )


def given(tmp_path: Path, pip_conf: str = "", **env: str) -> dict[str, str]:
    """What `like_pip` exports, for a pip.conf and an environment."""
    (tmp_path / "pip.conf").write_text(pip_conf)
    shown = bash(
        '. setup/indexes.sh; like_pip "$PYTHON"; echo ----; env',
        PYTHON=sys.executable,
        PIP_CONFIG_FILE=str(tmp_path / "pip.conf") if pip_conf else os.devnull,
        XDG_CONFIG_HOME=str(tmp_path),
        **env,
    )
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.partition("----\n")[2].splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"(UV|SSL|PIP)_", line))


def test_scripts_pass_shellcheck() -> None:
    found = subprocess.run(
        ["shellcheck", "--external-sources", *SCRIPTS, TOP / ".ci/run"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_every_make_target_is_in_its_help() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (TOP / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {line.split()[0] for line in shown.splitlines()} == set(phony[1].split())


@pytest.mark.parametrize("where", ["environment", "file"])
def test_uv_gets_the_indexes_of_pip(tmp_path: Path, where: str) -> None:
    (tmp_path / "wheels").mkdir()
    links = f"{tmp_path}/wheels {tmp_path}/not-there https://wheels.example/"
    settings = {
        "index-url": "https://mirror.example/simple",
        "extra-index-url": "https://more.example/simple",
        "find-links": links,
        "trusted-host": "mirror.example",
    }
    if where == "file":
        conf = "[global]\n" + "".join(f"{k} = {v}\n" for k, v in settings.items())
        got = given(tmp_path, conf)
    else:
        env = {f"PIP_{k.upper().replace('-', '_')}": v for k, v in settings.items()}
        got = given(tmp_path, **env)
    assert got["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert got["UV_INDEX"] == "https://more.example/simple"
    assert got["UV_FIND_LINKS"] == f"{tmp_path}/wheels,https://wheels.example/"
    assert got["UV_INSECURE_HOST"] == "mirror.example"


def test_uv_keeps_indexes_of_its_own(tmp_path: Path) -> None:
    conf = "[global]\nindex-url = https://pip.example/simple\n"
    assert (
        given(tmp_path, conf, UV_DEFAULT_INDEX="https://uv.example/")["UV_DEFAULT_INDEX"]
        == "https://uv.example/"
    )
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv/uv.toml").write_text('[[index]]\nurl = "https://uv.example/"\n')
    assert "UV_DEFAULT_INDEX" not in given(tmp_path, conf)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "pip.conf"])
def test_a_certificate_named_once_holds_for_both(tmp_path: Path, name: str) -> None:
    bundle = tmp_path / "company.pem"
    bundle.touch()
    if name == "pip.conf":
        got = given(tmp_path, f"[global]\ncert = {bundle}\n")
        assert "PIP_CERT" not in got, "pip reads its own file"
    else:
        got = given(tmp_path, **{name: str(bundle)})
        assert got["PIP_CERT"] == str(bundle)
    assert got["SSL_CERT_FILE"] == str(bundle)


def answers(address: str | Path, **more: object) -> int:
    env = os.environ | {"DOCKER_HOST": str(address)}
    script = [sys.executable, TOP / "setup/docker-answers.py"]
    return subprocess.run(script, env=env, check=False, **more).returncode  # type: ignore[call-overload,no-any-return]


@pytest.mark.docker
def test_a_real_engine_answers() -> None:
    assert answers(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock") == 0


def test_no_engine_answers_where_none_is(tmp_path: Path) -> None:
    assert answers(f"unix://{tmp_path}/none.sock") == 1


def test_a_socket_of_something_else_is_no_engine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        assert answers(f"tcp://127.0.0.1:{server.getsockname()[1]}") == 1
        thread.join()


@pytest.mark.root
def test_an_engine_for_others_is_told_apart_from_none(tmp_path: Path) -> None:
    # A folder that others may enter: only the socket itself refuses them.
    folder = Path("/run") / f"lapstrake-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "docker.sock"))
            (folder / "docker.sock").chmod(0o600)
            server.listen()
            script = (TOP / "setup/docker-answers.py").read_text()
            address = f"unix://{folder}/docker.sock"
            code = subprocess.run(
                ["/usr/bin/python3", "-c", script],
                env=os.environ | {"DOCKER_HOST": address},
                user=65534,
                group=65534,
                extra_groups=[],
                cwd="/",
                check=False,
            ).returncode
            assert code == 2
    finally:
        (folder / "docker.sock").unlink(missing_ok=True)
        folder.rmdir()


def test_stop_ends_no_process_but_its_own_dockerd(tmp_path: Path) -> None:
    state = tmp_path / "lapstrake"
    state.mkdir()
    with subprocess.Popen(["sleep", "60"]) as other:
        (state / "dockerd.pid").write_text(f"{other.pid}\n")
        done = bash("setup/docker.sh stop", XDG_STATE_HOME=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert other.poll() is None
        assert not (state / "dockerd.pid").exists()
        other.kill()


@pytest.mark.docker
def test_a_set_up_that_is_done_says_and_does_nothing(tmp_path: Path) -> None:
    for script in ("setup/packages.sh", "setup/docker.sh start", "setup/docker.sh wait"):
        done = bash(script, XDG_STATE_HOME=str(tmp_path))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "lapstrake").iterdir()) == []


def test_a_docker_host_that_is_silent_is_an_error_and_starts_nothing(tmp_path: Path) -> None:
    done = bash(
        "setup/docker.sh start",
        XDG_STATE_HOME=str(tmp_path),
        DOCKER_HOST=f"unix://{tmp_path}/none.sock",
    )
    assert done.returncode == 1
    assert "no engine answers at DOCKER_HOST" in done.stderr
    assert list((tmp_path / "lapstrake").iterdir()) == []


@pytest.mark.parametrize(("mirror", "code"), [("empty", 0), ("silent", 1)])
def test_a_mirror_that_moved_on_is_told_apart_from_none(
    tmp_path: Path, mirror: str, code: int
) -> None:
    release = tmp_path / "mirror/debian/dists/bookworm/Release"
    release.parent.mkdir(parents=True)
    release.write_text("Origin: Debian\n")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "mirror"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}/debian"
        threading.Thread(target=server.serve_forever).start()
        if mirror == "silent":
            server.shutdown()
            server.server_close()
        done = bash(
            '"$PYTHON" setup/moved-on.py',
            PYTHON=sys.executable,
            LAPSTRAKE_DEBIAN_MIRROR=address,
            LAPSTRAKE_CACHE=str(tmp_path / "cache"),
        )
        server.shutdown()
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
