"""A release that builds: images and a runtime's wheel out of a commit, and both once more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from small_family import Family, digests

from lapstrake import process
from lapstrake.dist import read_build
from support.pypi import serve_pypi
from support.registry import serve_registry
from support.releases import VERSION, commit, passed
from support.tiny import sha256

pytestmark = [pytest.mark.root, pytest.mark.slow]

_PROJECT = """\
[project]
name = "small-one"
version = "0.0.0"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# A build backend without requirements: there is no network here.
_BACKEND = """\
import io, pathlib, tarfile, tomllib, zipfile

def _read():
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
    name, version = project["name"].replace("-", "_"), project["version"]
    text = f"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {version}\\n"
    text += "Description-Content-Type: text/plain\\n\\nOne.\\n"
    return f"{name}-{version}", text.encode()

def build_wheel(out, config_settings=None, metadata_directory=None):
    stem, metadata = _read()
    wheel = b"Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    with zipfile.ZipFile(f"{out}/{stem}-py3-none-any.whl", "w") as file:
        file.writestr("small_one.py", "x = 1\\n")
        file.writestr(f"{stem}.dist-info/METADATA", metadata)
        file.writestr(f"{stem}.dist-info/WHEEL", wheel)
        names = ("small_one.py", f"{stem}.dist-info/METADATA", f"{stem}.dist-info/WHEEL")
        file.writestr(f"{stem}.dist-info/RECORD", "".join(f"{n},,\\n" for n in names))
    return f"{stem}-py3-none-any.whl"

def build_sdist(out, config_settings=None):
    stem, metadata = _read()
    with tarfile.open(f"{out}/{stem}.tar.gz", "w:gz") as tar:
        files = {n: pathlib.Path(n).read_bytes() for n in ("pyproject.toml", "backend.py")}
        for name, data in {**files, "PKG-INFO": metadata}.items():
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return f"{stem}.tar.gz"
"""


def repository(family: Family, root: Path, registry: str, index: str) -> Path:
    """The small family with a project in one runtime, and targets; committed."""
    shutil.copytree(family.root, root, ignore=shutil.ignore_patterns("dist"))
    path = root / "lapstrake.yaml"
    indexes = [{"name": "index0", "upload": index}]
    release = {"registries": [registry], "indexes": indexes}
    text = yaml.safe_load(path.read_text()) | {"version": VERSION, "release": release}
    path.write_text(yaml.safe_dump(text))
    (root / "runtimes/one/pyproject.toml").write_text(_PROJECT)
    (root / "runtimes/one/backend.py").write_text(_BACKEND)
    (root / ".gitignore").write_text("/dist/\n")
    commit(root, "begin")
    return root


def test_a_release_builds_what_it_publishes(family: Family, tmp_path: Path) -> None:
    with serve_registry(tmp_path / "registry") as host, serve_pypi(tmp_path / "index") as url:
        root = repository(family, tmp_path / "repo", f"{host}/x", url)
        env = family.env | {"LAPSTRAKE_CACHE": str(tmp_path / "cache")}

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            args = [sys.executable, "-m", "lapstrake", "-C", str(root), *words]
            done = subprocess.run(args, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return done

        # the containers of the smoke test are another test's
        run("build")
        passed(root / "dist", read_build(root / "dist"))
        before = digests(root / "dist")
        said = json.loads(run("release", VERSION, "--json").stdout)
        assert {i["name"]: i["digest"] for i in said["images"]} == before
        wheel = root / "dist/wheels/small_one-1.2.0-py3-none-any.whl"
        uploaded = tmp_path / "index/packages"
        assert sorted(p.name for p in uploaded.iterdir()) == [wheel.name, "small_one-1.2.0.tar.gz"]
        assert sha256(uploaded / wheel.name) == sha256(wheel)
        assert process.run(["git", "-C", root, "status", "--porcelain"]).stdout == ""
        found = json.loads(run("release", "verify", VERSION, "--rebuild", "--json").stdout)
        rebuilt = [f for f in found if f["part"] == "rebuilt"]
        assert len(rebuilt) == len(before) + 2
        assert process.run(["git", "-C", root, "worktree", "list"]).stdout.count("\n") == 1
        # a release that goes on does not build its wheels again
        again = run("release", VERSION, "--json")
        assert "wheel  small-one" not in again.stderr
        assert json.loads(again.stdout)["sent"]["files"] == 0
