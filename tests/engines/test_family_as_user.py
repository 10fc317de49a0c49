"""A whole family, built in another folder and by another user: dist/ is the same, blob by blob."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from as_user import User

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.slow]

_FILES = {
    "lapstrake.yaml": "name: whole\nversion: 1.0.0\n",
    "images/base/image.yaml": """\
root: {suite: bookworm, packages: [python3]}
apt: [file, adduser]
run: ["adduser --system --group model; file /bin/sh > /made; chown model:model /made"]
files: [{from: hello, to: /srv/hello, mode: "0600"}]
""",
    "images/base/hello": "hello\\n",
    "images/slim/image.yaml": "extends: base\npython: {requirements: [click, packaging]}\n",
    "runtimes/one/runtime.yaml": "python: {requirements: [pyyaml]}\n",
    "runtimes/two/runtime.yaml": """\
python: {requirements: [markupsafe]}
copy: [{from: base, paths: [{from: /made, to: /taken}]}]
""",
}

_DOWNLOADS = ("debs", "wheels")


def lapstrake(folder: Path, *words: str, by: Sequence[str] = (), **env: str) -> None:
    """Run a command in `folder`/repo with the cache `folder`/cache."""
    said = subprocess.run(
        [*by, sys.executable, "-m", "lapstrake", "-C", str(folder / "repo"), *words],
        env={**os.environ, "LAPSTRAKE_CACHE": str(folder / "cache"), **env},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository, its lock, and what root built of it."""
    folder = tmp_path_factory.mktemp("first")
    for name, text in _FILES.items():
        path = folder / "repo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    lapstrake(folder, "lock")
    lapstrake(folder, "build")
    return folder


def copied(first: Path, folder: Path) -> Path:
    """The repository and its downloads in another folder, whose cache has nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(first / "repo", folder / "repo", ignore=shutil.ignore_patterns("dist"))
    for part in _DOWNLOADS:
        shutil.copytree(first / "cache" / part, folder / "cache" / part)
    return folder


def content_of(folder: Path) -> Mapping[str, str]:
    """All that dist/ has, by digest: blobs, which are what their names say, and the index."""
    dist = folder / "repo/dist"
    found = {}
    for path in (*(dist / "blobs/sha256").iterdir(), dist / "index.json"):
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        assert path.name in {found[path.name], "index.json"}
    return found


def parts_of(folder: Path) -> dict[str, int]:
    """How many things each part of the cache has."""
    return {path.name: len(list(path.iterdir())) for path in (folder / "cache").iterdir()}


def test_all_kinds_of_layers_are_in_it(first: Path) -> None:
    records = [p.read_text() for p in (first / "cache/layers").iterdir()]
    for kind in ("root", "run", "wheels", "files", "copy"):
        assert any(f'"kind": "{kind}"' in text for text in records)
    assert parts_of(first)["bytecode"] == 4


def test_another_folder(first: Path, tmp_path: Path) -> None:
    there = copied(first, tmp_path / "some where/else")
    lapstrake(there, "build", HOME=str(tmp_path), TZ="Pacific/Kiritimati")
    assert content_of(there) == content_of(first)
    assert parts_of(there)["layers"] == parts_of(first)["layers"]


def test_an_ordinary_user(first: Path, user: User) -> None:
    there = copied(first, user.folder / "whole")
    for path in (there, *there.rglob("*")):
        shutil.chown(path, user.name, user.name)
    by = ("setpriv", "--reuid", user.name, "--regid", user.name, "--init-groups")
    masked = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    home = {"HOME": str(user.folder), "TMPDIR": str(user.folder), "LANG": "tr_TR.UTF-8"}
    lapstrake(there, "build", by=(*by, *masked), **home)
    assert content_of(there) == content_of(first)
    owner = (there / "repo/dist/index.json").stat().st_uid
    assert owner == (user.folder).stat().st_uid != 0
    # what it unpacked to run commands over is sound, though some of it is not its own
    lapstrake(there, "cache", "verify", by=(*by, *masked), **home)
    lapstrake(there, "cache", "verify")
