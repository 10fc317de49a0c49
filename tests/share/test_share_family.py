"""Whole commands on a small family with all kinds of layers: second machines, shards, accidents."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_family import Family, digests, serve_family

from support.registry import free_port, serve_registry
from support.relay import relay

pytestmark = pytest.mark.root


@dataclass
class Machine:
    """A cache and dist/ of its own, and the family's repository."""

    family: Family
    folder: Path

    def command(self, *words: str) -> tuple[list[str], dict[str, str]]:
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        env = self.family.env | {
            "LAPSTRAKE_CACHE": str(self.folder / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
        }
        return [sys.executable, "-m", "lapstrake", "-C", str(self.family.root), *words], env

    def run(self, *words: str, code: int = 0) -> str:
        """What a command answers."""
        args, env = self.command(*words)
        said = subprocess.run(
            args, env=env, capture_output=True, text=True, check=False, timeout=300
        )
        assert said.returncode == code, said.stdout + said.stderr
        return said.stdout if code == 0 else said.stderr

    def begin(self, *words: str, **env: str) -> subprocess.Popen[str]:
        args, own = self.command(*words)
        return subprocess.Popen(args, env=own | env, stderr=subprocess.PIPE, text=True)

    def build(self, *names: str) -> dict[str, int]:
        """Build; the number of layers that were built and reused."""
        said = json.loads(self.run("build", *names, "--out", str(self.dist), "--json"))
        states = [x["state"] for i in said["images"] for x in i["layers"]]
        return {s: states.count(s) for s in ("built", "reused")}

    @property
    def dist(self) -> Path:
        return self.folder / "dist"

    @property
    def left(self) -> list[Path]:
        """What lies about in the cache."""
        return list((self.folder / "cache/tmp").iterdir())


@dataclass
class Shared:
    """The family, whose index and registry are gone; what was pushed; what its images are."""

    family: Family
    host: str
    digests: dict[str, str]
    bytes: int

    @property
    def whole(self) -> str:
        """Where one machine has pushed the whole family."""
        return f"{self.host}/whole/cache"

    @property
    def shards(self) -> str:
        """Where two machines have pushed a shard each."""
        return f"{self.host}/shards/cache"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder = tmp_path_factory.mktemp("share")
    with serve_registry(folder / "cache-registry") as host:
        with serve_family(folder / "family") as family:
            found = Shared(family, host, {}, 0)
            first = Machine(family, folder / "first")
            assert first.build()["reused"] == 0
            found.bytes = json.loads(first.run("cache", "push", found.whole, "--json"))["bytes"]
            found.digests = digests(first.dist)
            matrix = json.loads(first.run("plan", "--matrix", "--shards", "2"))
            jobs = [job["images"].split() for job in matrix["include"]]
            machines = [Machine(family, folder / f"shard-{n}") for n in range(len(jobs))]
            for machine, names in zip(machines, jobs, strict=True):
                machine.build(*names)
            # both push at once
            words = ("cache", "push", found.shards)
            pushes = [m.begin(*words, *n) for m, n in zip(machines, jobs, strict=True)]
            for child in pushes:
                _, said = child.communicate(timeout=100)
                assert child.returncode == 0, said
        yield found


def machine(shared: Shared, tmp_path: Path, name: str = "second") -> Machine:
    return Machine(shared.family, tmp_path / name)


def test_a_second_machine_builds_nothing_and_downloads_nothing(
    shared: Shared, tmp_path: Path
) -> None:
    second = machine(shared, tmp_path)
    fetched = json.loads(second.run("cache", "pull", shared.whole, "--json"))
    assert (fetched["missing"], fetched["refused"]) == ([], [])
    assert fetched["bytes"] == shared.bytes
    assert second.build()["built"] == 0
    assert digests(second.dist) == shared.digests
    for part in ("wheels", "debs", "images", "bytecode"):
        assert list((tmp_path / "second/cache" / part).iterdir()) == []
    assert "all good" in second.run("cache", "verify")
    # that nothing can be downloaded is so: without the pull it fails
    machine(shared, tmp_path, "third").run("build", "--out", str(tmp_path / "d"), code=1)


def test_shards_are_put_together_by_a_third_job(shared: Shared, tmp_path: Path) -> None:
    third = machine(shared, tmp_path)
    third.run("cache", "pull", shared.shards)
    assert third.build()["built"] == 0
    assert digests(third.dist) == shared.digests


def test_one_image_alone(shared: Shared, tmp_path: Path) -> None:
    second = machine(shared, tmp_path)
    fetched = json.loads(second.run("cache", "pull", shared.whole, "one", "--json"))
    assert 0 < fetched["bytes"] < shared.bytes
    assert second.build("one")["built"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("way", ["up", "down"])
def test_an_interruption_leaves_nothing_by_half(
    shared: Shared, tmp_path: Path, number: signal.Signals, way: str
) -> None:
    full = machine(shared, tmp_path, "full")
    full.run("cache", "pull", shared.whole)
    empty = machine(shared, tmp_path, "empty")
    path = f"interrupted/{way}/{number.name.lower()}"
    who, words = (full, "push") if way == "up" else (empty, "pull")
    target = f"{path}/cache" if way == "up" else "whole/cache"
    with relay(shared.host, "up" if way == "up" else "down", 500_000) as between:
        child = who.begin("cache", words, f"{between.host}/{target}", LAPSTRAKE_TIMEOUT="900")
        assert between.reached.wait(100)
        child.send_signal(number)
        child.communicate(timeout=100)
    assert child.returncode == (130 if number == signal.SIGINT else -number)
    reference = f"{shared.host}/{target}"
    if way == "up":
        full.run("cache", "push", reference)
    fetched = json.loads(empty.run("cache", "pull", reference, "--json"))
    assert (fetched["missing"], fetched["refused"]) == ([], [])
    assert empty.left == []
    assert empty.build()["built"] == 0
    assert digests(empty.dist) == shared.digests


def test_a_lost_connection(shared: Shared, tmp_path: Path) -> None:
    second = machine(shared, tmp_path)
    with relay(shared.host, "down", 500_000, cut=True) as between:
        second.run("cache", "pull", f"{between.host}/whole/cache")
        assert between.reached.is_set()
    with relay(shared.host, "up", 500_000, cut=True) as between:
        second.run("cache", "push", f"{between.host}/lost/cache")
        assert between.reached.is_set()
    third = machine(shared, tmp_path, "third")
    third.run("cache", "pull", f"{shared.host}/lost/cache")
    assert third.build()["built"] == 0


def test_a_disk_that_is_full(shared: Shared, tmp_path: Path) -> None:
    second = machine(shared, tmp_path)
    cache = tmp_path / "second/cache"
    cache.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "x", str(cache)], check=True)
    try:
        said = second.run("cache", "pull", shared.whole, code=1)
    finally:
        subprocess.run(["umount", str(cache)], check=True)
    assert "can't be written: no space left on device" in said
    assert "free some space" in said


def test_what_is_wrong_is_said_in_a_line(shared: Shared, tmp_path: Path) -> None:
    second = machine(shared, tmp_path)
    assert "there is no cache in" in second.run("cache", "push", shared.whole, code=1)
    said = second.run("cache", "pull", f"{shared.whole}:tag", code=1)
    assert said.splitlines()[1] == "hint: write it as HOST[:PORT]/PATH, without tag and digest"
    said = second.run("cache", "pull", shared.whole, "nonesuch", code=1)
    assert "nonesuch" in said
    with serve_registry(tmp_path / "closed", ("me", "secret")) as host:
        said = second.run("cache", "pull", f"{host}/a/b", code=1)
        assert said == f"error: {host} wants a login\nhint: run `skopeo login {host}`\n"
        assert list((tmp_path / "second/cache/layers").iterdir()) == []


def test_one_command_pulls_builds_and_pushes(shared: Shared, tmp_path: Path) -> None:
    second = machine(shared, tmp_path)
    down = f"127.0.0.1:{free_port()}/a/b"
    copied = f"{shared.host}/copied/cache"
    words = ("--cache-from", down, "--cache-from", shared.whole, "--cache-to", copied)
    args, env = second.command("build", "--out", str(second.dist), *words)
    said = subprocess.run(args, env=env, capture_output=True, text=True, check=True)
    assert f"no layers from {down}: nothing answers" in said.stderr
    assert "0 built" in said.stdout
    assert digests(second.dist) == shared.digests
    third = machine(shared, tmp_path, "third")
    third.run("cache", "pull", copied)
    assert third.build()["built"] == 0
    # what can't be pushed is an error, after the build
    said_last = third.run("build", "--out", str(third.dist), "--cache-to", down, code=1)
    assert "nothing answers at" in said_last
    assert digests(third.dist) == shared.digests
