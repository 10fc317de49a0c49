"""A bit that flips in the cache: nothing is made of it, and it is never published."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_family import Family, digests

from support.registry import serve_registry

pytestmark = pytest.mark.root


def flip(path: Path, at: float = 0.5) -> None:
    """Flip a bit of a file, leaving its size and its time."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 4
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(data)
    path.chmod(0o444)


def records(cache: Path) -> dict[str, tuple[Path, Path]]:
    """The record and the blob of one layer of each kind; of wheels, the smallest title's."""
    found = {}
    for path in sorted((cache / "layers").iterdir()):
        record = json.loads(path.read_bytes())
        digest = record["blobs"][0]["digest"].removeprefix("sha256:")
        found.setdefault(record["kind"], (path, cache / "blobs/sha256" / digest))
    return found


def no_layer(said: subprocess.CompletedProcess[str], dist: Path, family: Family) -> None:
    """It was refused in one line, and dist/ is what it was."""
    lines = [x for x in said.stderr.splitlines() if not x.startswith("{")]
    assert said.returncode == 1, said.stderr
    assert "has changed since it came into the cache" in lines[0]
    assert "cache verify --repair" in lines[1]
    assert digests(dist) == family.digests


@pytest.mark.parametrize("at", [0.0005, 0.5, 0.999])
def test_nothing_is_run_over_a_broken_root(family: Family, tmp_path: Path, at: float) -> None:
    cache, dist = tmp_path / "cache", tmp_path / "dist"
    assert family.build(cache, dist).returncode == 0
    found = records(cache)
    shutil.rmtree(cache / "trees")
    found["run"][0].unlink()
    flip(found["root"][1], at)
    no_layer(family.build(cache, dist), dist, family)


def test_nothing_is_copied_out_of_a_broken_layer(family: Family, tmp_path: Path) -> None:
    cache, dist = tmp_path / "cache", tmp_path / "dist"
    assert family.build(cache, dist).returncode == 0
    found = records(cache)
    found["copy"][0].unlink()
    flip(found["run"][1])
    no_layer(family.build(cache, dist), dist, family)


def test_no_layer_is_made_of_a_broken_wheel(family: Family, tmp_path: Path) -> None:
    cache, dist = tmp_path / "cache", tmp_path / "dist"
    assert family.build(cache, dist).returncode == 0
    for path in (cache / "layers").iterdir():
        if json.loads(path.read_bytes())["kind"] == "wheels":
            path.unlink()
    [alpha] = (cache / "wheels").rglob("alpha*.whl")
    # a mode in the directory, which no hash of the wheel's own covers
    data = alpha.read_bytes()
    flip(alpha, (data.index(b"PK\x01\x02") + 40) / len(data))
    no_layer(family.build(cache, dist), dist, family)


@pytest.mark.parametrize("kind", ["root", "wheels", "files", "run", "copy"])
def test_a_broken_blob_is_not_published(family: Family, tmp_path: Path, kind: str) -> None:
    cache, dist = tmp_path / "cache", tmp_path / "dist"
    assert family.build(cache, dist).returncode == 0
    flip(records(cache)[kind][1])
    # its size is right, so a build that has nothing to do takes it
    assert family.build(cache, dist).returncode == 0
    words = [sys.executable, "-m", "lapstrake", "-C", str(family.root), "push"]
    with serve_registry(tmp_path / "registry") as registry:
        said = subprocess.run(
            [*words, "--registry", registry, "--dist", str(dist)],
            env=family.env | {"LAPSTRAKE_CACHE": str(cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 1, said.stdout
        assert "Traceback" not in said.stderr
        assert "error: " in said.stderr
        assert "digest" in said.stderr.lower()
        tags = tmp_path / "registry/data/docker/registry/v2/repositories/small/_manifests/tags"
        pushed = {p.name for p in tags.glob("*")}
    broken = records(cache)[kind][1].name
    build = json.loads((dist / "build.json").read_bytes())
    for image in build["images"]:
        if any(x["digest"].endswith(broken) for x in image["layers"]):
            assert not pushed & set(image["tags"])
