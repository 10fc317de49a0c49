"""The command as a whole process: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jsonschema
import pytest
import yaml

from lapstrake.cli.main import COMMANDS
from lapstrake.definition.load import load

Write = Callable[..., Path]


def lapstrake(
    *args: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lapstrake", *args],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def repo(top: Path, tmp_path: Path) -> Path:
    """A copy of this repository's definition, with its lock, in git."""
    root = tmp_path / "repo"
    root.mkdir()
    for name in ("lapstrake.yaml", "lapstrake.lock"):
        shutil.copy(top / name, root)
    for name in ("images", "runtimes"):
        shutil.copytree(top / name, root / name)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    return root


def git(root: Path, *args: str) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(
        ["git", "-C", root, *settings, *args], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("command", [(), *((c,) for c in COMMANDS), ("new", "runtime")])
def test_help(command: Sequence[str], tmp_path: Path) -> None:
    said = lapstrake(*command, "--help", cwd=tmp_path)
    assert said.returncode == 0
    assert said.stdout.startswith("Usage: ")
    assert said.stderr == ""


@pytest.mark.parametrize(
    "args", [("nonsense",), ("build", "--nonsense"), ("plan", "--shards", "0"), ("push",)]
)
def test_wrong_usage_exits_with_2(args: tuple[str, ...], repo: Path) -> None:
    said = lapstrake(*args, cwd=repo)
    assert said.returncode == 2
    assert "Traceback" not in said.stderr


def test_help_and_list_import_nothing_heavy(repo: Path) -> None:
    code = (
        "import sys; sys.argv = ['lapstrake', *sys.argv[1:]]\n"
        "from lapstrake.cli import main as m\n"
        "m._run()\n"
        "print(sorted(set(sys.modules) & {'pydantic', 'httpx', 'rich', 'docker', 'yaml'}),"
        " file=sys.stderr)"
    )

    def heavy(*args: str) -> str:
        argv = [sys.executable, "-c", code, *args]
        return subprocess.run(argv, cwd=repo, capture_output=True, text=True, check=True).stderr

    assert heavy("--help").strip() == "[]"
    assert heavy("list").strip() == "['pydantic', 'yaml']"


def test_list(repo: Path) -> None:
    said = lapstrake("list", "--json", cwd=repo)
    assert [i["name"] for i in json.loads(said.stdout)] == list(load(repo).images)
    rows = [row.split() for row in lapstrake("list", cwd=repo / "images").stdout.splitlines()]
    assert ["lightgbm", "runtime", "slim"] in [row[:3] for row in rows]


def test_a_definition_s_errors_are_lines_and_exit_1(repo: Path) -> None:
    (repo / "images/slim/image.yaml").write_text("extends: base\nnonsense: 1\nsize: x\n")
    for command in ("list", "plan", "build"):
        said = lapstrake(command, cwd=repo)
        assert said.returncode == 1
        assert said.stdout == ""
        assert said.stderr.splitlines()[:2] == [
            "error: images/slim/image.yaml:2: unknown key 'nonsense'",
            "  images/slim/image.yaml:3: size: 'x' is no size (such as 20MB or 1.5GiB)",
        ]


def test_outside_a_repository(tmp_path: Path) -> None:
    said = lapstrake("list", cwd=tmp_path)
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        "error: there is no lapstrake.yaml here or above",
        "hint: `lapstrake init` begins a repository",
    ]


def test_schema_accepts_this_repository_and_refuses_mistakes(repo: Path, tmp_path: Path) -> None:
    for which, files in (
        ("family", [repo / "lapstrake.yaml"]),
        ("image", sorted(repo.glob("images/*/image.yaml"))),
        ("runtime", sorted(repo.glob("runtimes/*/runtime.yaml"))),
    ):
        schema = json.loads(lapstrake("schema", which, cwd=tmp_path).stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        for file in files:
            jsonschema.validate(yaml.safe_load(file.read_text()), schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"nonsense": 1}, schema)


def test_plan_is_pure(repo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = sorted(p for p in repo.rglob("*") if ".git" not in p.parts)
    # git says which files of a project count; no other program is asked
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git") or "git")
    env = {"LAPSTRAKE_CACHE": str(cache), "PATH": str(programs)}
    said = lapstrake("plan", "--json", cwd=repo, env=env)
    assert said.returncode == 0, said.stderr
    plan = json.loads(said.stdout)
    assert {i["name"] for i in plan["images"]} >= {"base", "slim", "full"}
    assert not any(x["cached"] for i in plan["images"] for x in i["layers"])
    assert not cache.exists()
    assert sorted(p for p in repo.rglob("*") if ".git" not in p.parts) == before


def test_matrix(repo: Path) -> None:
    one_each = json.loads(lapstrake("plan", "--matrix", cwd=repo).stdout)
    order = [j["images"] for j in one_each["include"]]
    assert order[0] == "base"
    assert order.index("slim") < order.index("sklearn") < order.index("full")
    two = json.loads(lapstrake("plan", "--matrix", "--shards", "2", cwd=repo).stdout)["include"]
    assert len(two) == 2
    names = sorted(n for j in two for n in j["images"].split())
    assert names == sorted(load(repo).default)


def test_changed_keeps_what_a_diff_touches(repo: Path) -> None:
    def changed() -> list[str]:
        said = lapstrake("plan", "--changed", "HEAD", "--json", cwd=repo)
        assert said.returncode == 0, said.stderr
        return [i["name"] for i in json.loads(said.stdout)["images"]]

    assert changed() == []
    (repo / "README").write_text("words")
    assert changed() == []
    xgboost = repo / "runtimes/xgboost/runtime.yaml"
    xgboost.write_text(xgboost.read_text() + "env: {A: b}\n")
    assert changed() == ["xgboost", "full"]
    git(repo, "commit", "-qam", "two")
    (repo / "runtimes/sklearn/smoke/model.py").write_text("# changed\n")
    assert changed() == ["sklearn", "full"]


def test_changed_against_no_revision(repo: Path) -> None:
    said = lapstrake("plan", "--changed", "nowhere", cwd=repo)
    assert (said.returncode, said.stderr.splitlines()[0]) == (
        1,
        "error: git knows no revision 'nowhere'",
    )


def test_a_stale_lock_stops_plan_and_build_and_is_told_by_check(repo: Path) -> None:
    assert lapstrake("lock", "--check", cwd=repo).returncode == 0
    sklearn = repo / "runtimes/sklearn/runtime.yaml"
    sklearn.write_text(sklearn.read_text().replace("- scikit-learn", "- scikit-learn<2"))
    for args in (("plan",), ("build",), ("lock", "--check")):
        said = lapstrake(*args, cwd=repo)
        assert said.returncode == 1
        assert said.stderr.startswith("error: lapstrake.lock is stale: ")
        assert "scikit-learn<2" in said.stderr


def test_no_lock(repo: Path) -> None:
    (repo / "lapstrake.lock").unlink()
    said = lapstrake("plan", cwd=repo)
    assert said.returncode == 1
    assert "lapstrake lock" in said.stderr


@pytest.mark.parametrize("command", [("smoke",), ("push", "--registry", "127.0.0.1:1/x")])
def test_nothing_built_yet(command: tuple[str, ...], repo: Path) -> None:
    said = lapstrake(*command, cwd=repo)
    assert said.returncode == 1
    assert "`lapstrake build` first" in said.stderr


def test_init_makes_a_repository_that_loads(tmp_path: Path) -> None:
    said = lapstrake("init", "My Models", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    root = tmp_path / "My Models"
    names = [i["name"] for i in json.loads(lapstrake("list", "--json", cwd=root).stdout)]
    assert names == ["base", "example", "full", "slim"]
    assert "name: my-models" in (root / "lapstrake.yaml").read_text()
    again = lapstrake("init", ".", cwd=root)
    assert again.returncode == 1
    assert "already" in again.stderr


def test_new_runtime(repo: Path) -> None:
    said = lapstrake("new", "runtime", "my-own.thing", cwd=repo)
    assert said.returncode == 0, said.stderr
    files = sorted(p.name for p in (repo / "runtimes/my-own.thing").rglob("*.*") if p.is_file())
    assert files == ["model.py", "my_own_thing_runtime.py", "runtime.yaml"]
    compile((repo / "runtimes/my-own.thing/my_own_thing_runtime.py").read_text(), "x", "exec")
    for name, reason in (
        ("my-own.thing", "already"),
        ("Bad", "no image name"),
        ("slim", "already"),
    ):
        refused = lapstrake("new", "runtime", name, cwd=repo)
        assert refused.returncode == 1
        assert reason in refused.stderr


def test_doctor_names_what_is_missing_and_the_line_that_installs_it(tmp_path: Path) -> None:
    said = lapstrake("doctor", "--json", cwd=tmp_path)
    found = {f["name"]: f for f in json.loads(said.stdout)}
    assert found["mmdebstrap"]["good"]
    # an empty PATH, and what Debian keeps in /usr/sbin: nothing that a build needs is found
    said = lapstrake("doctor", cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert said.returncode == 1
    assert "mmdebstrap: not installed" in said.stdout
    [line] = [x for x in said.stdout.splitlines() if x.startswith("apt-get install")]
    assert {"mmdebstrap", "skopeo", "git"} <= set(line.split())
    assert said.stderr.startswith("error: not ready to build: mmdebstrap")


def test_a_bug_exits_with_3_and_says_where_the_log_is(repo: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from lapstrake.cli import main, common\n"
        "import lapstrake.cli.list as command\n"
        "def broken(*a): raise RuntimeError('boom')\n"
        "command.open_repository = broken\n"
        "sys.argv = ['lapstrake', 'list']\n"
        "main.main()\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert said.returncode == 3
    assert "Traceback" not in said.stderr
    assert "a bug in lapstrake: RuntimeError: boom" in said.stderr
    [log] = tmp_path.glob("lapstrake-*.log")
    assert str(log) in said.stderr
    assert "boom" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_ends_with_130(number: signal.Signals, repo: Path, tmp_path: Path) -> None:
    # a Debian mirror that takes the connection and never answers
    with socket.create_server(("127.0.0.1", 0)) as server:
        mirror = f"http://127.0.0.1:{server.getsockname()[1]}/debian"
        env = {
            **os.environ,
            "LAPSTRAKE_CACHE": str(tmp_path / "cache"),
            "LAPSTRAKE_DEBIAN_MIRROR": mirror,
        }
        child = subprocess.Popen(
            [sys.executable, "-m", "lapstrake", "build", "base", "--progress", "json"],
            cwd=repo,
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(60)
        connection, _ = server.accept()
        time.sleep(0.2)
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
        connection.close()
    assert child.returncode == 130
    assert "Traceback" not in said
    assert not (repo / "dist").exists()
    assert list((tmp_path / "cache/tmp").iterdir()) == []
