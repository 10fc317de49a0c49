"""Canaries for secrets: none is in a log, a layer, an image's history or a process list."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_family import Family, simple_index

from support.tiny import Request, serve

pytestmark = pytest.mark.root

_CANARIES = {
    "GITHUB_TOKEN": "canary-github-0001",
    "REGISTRY_PASSWORD": "canary-registry-0002",
    "SOME_SECRET": "canary-secret-0003",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-0004",
    "MULTI_TOKEN": "canary-first-0005\ncanary-second-0006",
}
_PASSWORD = "canary-p@ss-0007"
_FORMS = (_PASSWORD, "canary-p%40ss-0007")

_DUMP = (
    "echo made > /made; env > /srv/env; "
    "cat /proc/*/environ > /srv/environ; cat /proc/*/cmdline > /srv/cmdline"
)


def check_silent(text: bytes | str, where: str) -> None:
    data = text.encode() if isinstance(text, str) else text
    for canary in (*_CANARIES.values(), *_FORMS):
        for line in canary.splitlines():
            assert line.encode() not in data, f"{line} in {where}"


def check_tree(folder: Path) -> int:
    """No canary in any file, nor in what is compressed in it; how many files there are."""
    count = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            count += 1
            check_silent(path.read_bytes(), str(path))
            check_silent(gzip_of(path), f"{path}, decompressed")
    return count


def spied(folder: Path, env: dict[str, str]) -> tuple[dict[str, str], Path]:
    """The environment with a `setpriv` first, through which all programs run, that takes notes."""
    real = shutil.which("setpriv")
    notes = folder / "arguments"
    notes.touch()
    place = folder / "bin"
    place.mkdir()
    (place / "setpriv").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {notes}\nexec {real} "$@"\n')
    (place / "setpriv").chmod(0o755)
    return env | {"PATH": f"{place}:{env['PATH']}"}, notes


def with_script(family: Family, folder: Path, script: str) -> Path:
    """A copy of the repository whose base runs another script."""
    root = folder / "repo"
    shutil.copytree(family.root, root)
    path = root / "images/base/image.yaml"
    lines = path.read_text().splitlines()
    lines = [f"run: [{json.dumps(script)}]" if x.startswith("run: ") else x for x in lines]
    path.write_text("\n".join(lines) + "\n")
    return root


def lapstrake(root: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lapstrake", "-C", str(root), *args],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_secrets_of_the_caller_are_nowhere(family: Family, tmp_path: Path) -> None:
    root = with_script(family, tmp_path, _DUMP)
    env, notes = spied(tmp_path, family.env | _CANARIES)
    env |= {"LAPSTRAKE_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    (root / "lapstrake.lock").unlink()
    said = ""
    for args in (("lock",), ("plan", "--json"), ("build", "--json", "--progress", "plain")):
        done = lapstrake(root, env, *args)
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
    check_silent(said, "what was said")
    check_silent(notes.read_text(), "the arguments of programs")
    assert "unshare" in notes.read_text()
    assert check_tree(root) > 10
    assert check_tree(tmp_path / "cache") > 10
    # the script did see what there was to see
    assert any(b"SOURCE_DATE_EPOCH" in gzip_of(p) for p in (tmp_path / "cache/blobs").rglob("*"))


def gzip_of(path: Path) -> bytes:
    """A layer's tar; nothing for another file."""
    if not path.is_file() or path.read_bytes()[:2] != b"\x1f\x8b":
        return b""
    return gzip.decompress(path.read_bytes())


def test_credentials_of_an_index_are_used_and_nowhere(family: Family, tmp_path: Path) -> None:
    honest = simple_index(family.wheels)
    wanted = f"Basic {base64.b64encode(f'me:{_PASSWORD}'.encode()).decode()}"
    welcome: list[str] = []

    def answer(request: Request) -> None:
        if request.headers.get("Authorization") == wanted:
            welcome.append(request.path)
            honest(request)
        else:
            request.reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    with serve(answer) as server:
        root = with_script(family, tmp_path, 'test -n "$PIP_INDEX_URL"; echo made > /made')
        env, notes = spied(tmp_path, family.env)
        env |= {"LAPSTRAKE_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
        env["PIP_INDEX_URL"] = f"http://me:{_FORMS[1]}@127.0.0.1:{server.port}/simple/"
        (root / "lapstrake.lock").unlink()
        for args in (("lock",), ("build", "--json")):
            done = lapstrake(root, env, *args)
            assert done.returncode == 0, done.stderr
            check_silent(done.stdout + done.stderr, "what was said")
        assert any(path.endswith(".whl") for path in welcome)
        check_silent(notes.read_text(), "the arguments of programs")
        assert check_tree(root) > 10
        assert check_tree(tmp_path / "cache") > 10


def test_a_script_that_keeps_the_index_s_password(family: Family, tmp_path: Path) -> None:
    root = with_script(family, tmp_path, "env > /srv/env")
    env = family.env | {"LAPSTRAKE_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    env["PIP_INDEX_URL"] = env["PIP_INDEX_URL"].replace("://", f"://me:{_FORMS[1]}@")
    assert lapstrake(root, env, "lock").returncode == 0
    done = lapstrake(root, env, "build")
    assert done.returncode == 1
    assert "left a credential of the package index in /srv/env" in done.stderr
    check_silent(done.stderr, "the error")
    check_tree(tmp_path / "cache")


def test_errors_of_an_index_and_of_a_script_hide_them(family: Family, tmp_path: Path) -> None:
    root = with_script(family, tmp_path, 'echo "it is $PIP_INDEX_URL, $SOME_SECRET"; exit 7')
    env = family.env | _CANARIES
    env |= {"LAPSTRAKE_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    env["PIP_INDEX_URL"] = env["PIP_INDEX_URL"].replace("://", f"://me:{_FORMS[1]}@")
    assert lapstrake(root, env, "lock").returncode == 0
    done = lapstrake(root, env, "build")
    assert done.returncode == 1
    assert "(exit 7)" in done.stderr
    assert "it is http://***@127.0.0.1" in done.stderr
    check_silent(done.stderr, "the error")
    env["PIP_INDEX_URL"] = f"http://me:{_FORMS[1]}@127.0.0.1:1/simple/"
    done = lapstrake(root, env | {"LAPSTRAKE_CACHE": str(tmp_path / "other")}, "build")
    assert done.returncode == 1
    check_silent(done.stderr, "the error")


def test_a_crash_log_hides_them(family: Family, tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from lapstrake.cli import main\n"
        "import lapstrake.cli.list as command\n"
        "def broken(*a): raise RuntimeError('boom ' + os.environ['SOME_SECRET'])\n"
        "command.open_repository = broken\n"
        "sys.argv = ['lapstrake', 'list']\n"
        "main.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=family.root,
        env=family.env | _CANARIES | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "boom ***" in done.stderr
    check_silent(done.stderr, "the error")
    [log] = tmp_path.glob("lapstrake-*.log")
    assert "boom ***" in log.read_text()
    check_silent(log.read_text(), "the log")
