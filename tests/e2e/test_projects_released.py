"""A core project and two runtimes' own, of three backends: locked, built, tested, released."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

import pytest

from lapstrake.dist import Build, read_build
from lapstrake_release.same_wheels import differences
from support.gitrepo import git, repository
from support.pypi import serve_pypi
from support.pyprojects import HATCHLING, POETRY, SETUPTOOLS, Files
from support.registry import serve_registry
from support.tiny import sha256

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("e2e"),
]

VERSION = "1.2.0.rc1"
ROOT = "ca-certificates, netbase, openssh-server, python3, supervisor, tini"
FILES = {
    "images/base/image.yaml": f"root: {{suite: bookworm, packages: [{ROOT}]}}\n",
    "images/slim/image.yaml": "extends: base\npython: {project: //core, requirements: [pip]}\n",
    "images/full/image.yaml": "extends: slim\nruntimes: all\n",
    "runtimes/poet/runtime.yaml": "python: {project: .}\n",
    "runtimes/set/runtime.yaml": "python: {project: ., requirements: [iniconfig]}\n",
    ".gitignore": "/dist/\n",
}


def below(folder: str, files: Files, *edits: tuple[str, str]) -> Files:
    """A project's files in a folder, with a readme and edits of its pyproject.toml."""
    found = {f"{folder}/{name}": text for name, text in files.items()}
    for old, new in edits:
        assert old in found[f"{folder}/pyproject.toml"]
        text = found[f"{folder}/pyproject.toml"].replace(old, new)
        found[f"{folder}/pyproject.toml"] = text
    return {**found, f"{folder}/README.md": "# A thing\n"}


def family(registry: str, index: str) -> Files:
    """A family whose core is a hatchling project; one runtime is poetry's, one setuptools'."""
    stated = 'version = "0.1.0"'
    core = 'version = "0.1.0"\nreadme = "README.md"\ndependencies = ["six"]'
    poet = (f'{stated}\nreadme = "README.md"', '[tool.poetry.dependencies]\nThing-Hatch = "*"')
    needs = f'{stated}\nreadme = "README.md"\ndependencies = ["thing.hatch>=0.1"]'
    return {
        **FILES,
        "lapstrake.yaml": (
            f"name: mine\nversion: 0.1.0.dev0\nrelease:\n  registries: [{registry}/x]\n"
            f"  indexes: [{{name: here, upload: '{index}'}}]\n  python: {{core: core}}\n"
        ),
        **below("core", HATCHLING, (stated, core)),
        **below(
            "runtimes/poet",
            POETRY,
            (stated, poet[0]),
            ("[tool.poetry.dependencies]", poet[1]),
        ),
        **below("runtimes/set", SETUPTOOLS, (stated, needs)),
    }


class Author:
    """Someone at a terminal in the repository."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.cache = cache

    def run(self, *args: str, code: int = 0, **env: str) -> str:
        """Run `lapstrake ARGS`; what it answered."""
        done = subprocess.run(
            [sys.executable, "-m", "lapstrake", "-C", str(self.root), *args],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LAPSTRAKE_CACHE": str(self.cache), **env},
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout

    @property
    def dist(self) -> Path:
        return self.root / "dist"

    @property
    def build(self) -> Build:
        return read_build(self.dist)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """A registry, an index, and where the index keeps its files."""
    folder = tmp_path_factory.mktemp("servers")
    with serve_registry(folder / "registry") as host, serve_pypi(folder / "index") as url:
        yield host, url, folder / "index/packages"


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory, servers: tuple[str, str, Path]) -> Author:
    folder = tmp_path_factory.mktemp("author")
    found = Author(repository(folder / "repo", family(*servers[:2])), folder / "cache")
    git(found.root, "tag", "-d", "v0.1.0")
    found.run("lock")
    git(found.root, "add", "-A")
    git(found.root, "commit", "-q", "-m", "lock")
    found.run("build", "--jobs", "2")
    return found


def layers(build: Build) -> dict[str, set[str]]:
    return {i.name: {x.digest for x in i.layers} for i in build.images}


def test_the_images_have_the_wheels_that_lie_beside_them(author: Author) -> None:
    build = author.build
    names = {"thing_hatch", "thing_poetry", "thing_set"}
    stem = "0.1.0.dev0"
    wheels = {f.name: f for f in build.files if f.kind == "wheel"}
    assert set(wheels) == {f"{n}-{stem}-py3-none-any.whl" for n in names}
    assert {f.name for f in build.files if f.kind == "sdist"} == {
        f"{n}-{stem}.tar.gz" for n in names
    }
    carriers = {f.project: f.images for f in wheels.values()}
    assert carriers == {
        "thing-hatch": ("full", "poet", "set", "slim"),
        "thing-poetry": ("full", "poet"),
        "thing-set": ("full", "set"),
    }
    for file in wheels.values():
        (layer,) = {x.digest for i in build.images for x in i.layers if x.id in file.layers}
        with (author.dist / "blobs/sha256" / layer.removeprefix("sha256:")).open("rb") as blob:
            assert differences(file.path(author.dist).read_bytes(), blob) == []
    poet = author.dist / f"wheels/thing_poetry-{stem}-py3-none-any.whl"
    with zipfile.ZipFile(poet) as archive:
        text = archive.read(f"thing_poetry-{stem}.dist-info/METADATA").decode()
    required = HeaderParser().parsestr(text).get_all("Requires-Dist") or []
    assert [r.replace(" ", "").replace("(", "").replace(")", "").lower() for r in required] == [
        f"thing-hatch=={stem}"
    ]


def test_a_changed_line_is_one_layer_and_no_other_lock(author: Author) -> None:
    before = author.build
    path = author.root / "runtimes/poet/thing_poetry/__init__.py"
    text = path.read_text()
    path.write_text(text + "added = 1\n")
    try:
        author.run("lock", "--check")
        author.run("build", "--jobs", "2", "--out", "other")
        after = read_build(author.root / "other")
    finally:
        path.write_text(text)
    for name, digests in layers(after).items():
        new = digests - layers(before)[name]
        assert len(new) == (1 if name in {"poet", "full"} else 0)
        assert all(x.size < 5_000 for x in after.image(name).layers if x.digest in new)
    changed = {f.name for f in after.files if f.sha256 not in {g.sha256 for g in before.files}}
    assert {n.partition("-")[0] for n in changed} == {"thing_poetry"}


def test_what_is_released_is_what_the_images_have(
    author: Author, servers: tuple[str, str, Path], tmp_path: Path
) -> None:
    git(author.root, "clean", "-q", "-f", "-d", "other")
    said = json.loads(author.run("release", VERSION, "--json"))
    build = author.build
    assert build.version == VERSION
    assert said["sent"]["files"] == len(build.files) == 6
    uploaded = {p.name: sha256(p) for p in servers[2].iterdir()}
    assert uploaded == {f.name: f.sha256 for f in build.files}
    assert {f.version for f in build.files} == {"1.2.0rc1"}
    found = json.loads(author.run("release", "verify", VERSION, "--json"))
    pairs = {f["what"] for f in found if f["part"] == "wheels in images"}
    tags = {i.name: i.tags[0] for i in build.images}
    assert pairs == {
        f"{f.name} in {tags[i]}" for f in build.files if f.kind == "wheel" for i in f.images
    }
    # another folder, an empty cache, another zone and home: the same digests
    (tmp_path / "home").mkdir()
    env = {"TZ": "Asia/Tokyo", "HOME": str(tmp_path / "home"), "PYTHONHASHSEED": "7"}
    again = json.loads(author.run("release", "verify", VERSION, "--rebuild", "--json", **env))
    rebuilt = {f["what"] for f in again if f["part"] == "rebuilt"}
    assert rebuilt == {*tags.values(), *uploaded}
    assert not [f for f in again if f["wrong"]]
