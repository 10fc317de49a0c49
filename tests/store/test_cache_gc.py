"""`lapstrake cache gc` and `stats`: what goes first, and what never goes."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lapstrake.build import build
from lapstrake.cli.main import cli
from lapstrake.engines.model import Outcome
from lapstrake.errors import UserError
from lapstrake.plan.model import Plan
from lapstrake.report.progress import JsonLines, Progress
from lapstrake.store.contents import bytes_of, read_contents
from lapstrake.store.gc import Limits, choose, collect
from lapstrake.store.records import LayerRecord
from lapstrake.store.store import Store
from lapstrake.store.use import in_use, mark_used, unused
from lapstrake.store.verify import verify
from support.tinyimages import built, image

Run = Callable[..., Result]
LONG_AGO = 1_000_000.0


@pytest.fixture
def gc(store: Store, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`gc("--older-than", …)` on the cache."""
    monkeypatch.setenv("LAPSTRAKE_CACHE", str(store.root))

    def run(*args: str, catch: bool = False) -> Result:
        words = ["cache", "gc", *args]
        return CliRunner().invoke(cli, words, standalone_mode=catch, catch_exceptions=False)

    return run


def age(store: Store, seconds: float = LONG_AGO) -> None:
    """Let everything be as if nobody had used it since."""
    then = time.time() - seconds
    for path in store.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (then, then))


def names(store: Store) -> set[str]:
    return {f"{e.part}/{e.name}" for e in read_contents(store).entries}


def blob_name(store: Store, layer_id: str) -> str:
    record = store.record(layer_id)
    assert record is not None
    return f"blobs/{store.blob(record.blobs[0].digest).name}"


def test_what_no_build_used_for_long_goes(tmp_path: Path, store: Store, gc: Run) -> None:
    built(tmp_path / "dist", store, image("a", "x", "old"))
    age(store)
    made = built(tmp_path / "dist", store, image("a", "x", "new"))
    kept = {blob_name(store, x.id) for x in made.images[0].layers}
    assert len(names(store)) == 3
    gc("--older-than", "1d")
    assert names(store) == kept
    assert len(list((store.root / "layers").iterdir())) == 2
    assert verify(store, 1).faults == ()


class Reusing:
    """An engine that finds all layers in the cache."""

    name = "reusing"

    def build(self, plan: Plan, store: Store, progress: Progress, jobs: int) -> dict[str, Outcome]:
        del progress, jobs
        records = {layer.id: store.record(layer.id) for layer in plan.layers}
        return {i: Outcome(r, "reused") for i, r in records.items() if r is not None}


def test_a_build_marks_what_it_reuses(tmp_path: Path, store: Store) -> None:
    first = built(tmp_path / "dist", store, image("a", "x", "y"))
    age(store)
    plan = Plan("fam", "1", "linux/amd64", 1_700_000_000, (image("a", "x"),))
    with JsonLines() as progress:
        build(plan, Reusing(), store, tmp_path / "dist", progress, 1)
    collection = choose(read_contents(store), Limits(since=time.time() - 60))
    (gone,) = collection.entries
    unused_layer = first.images[0].layers[1]
    assert gone.name in unused_layer.digest
    assert [k.path.stem for k in collection.records] == [unused_layer.id]


def test_downloads_and_trees_count_as_used_with_the_layers_that_name_them(
    tmp_path: Path, store: Store
) -> None:
    """A build that reuses a layer doesn't touch its wheels; they are needed for the next."""
    made = built(tmp_path / "dist", store, image("a", "x"))
    blobs = store.record(made.images[0].layers[0].id)
    assert blobs is not None
    for sha256 in ("1" * 64, "2" * 64, "3" * 64):
        store.wheel(sha256, "a.whl").parent.mkdir()
        store.wheel(sha256, "a.whl").write_bytes(b"w")
        store.deb(sha256).write_bytes(b"d")
    inputs: dict[str, object] = {
        "wheels": {"a": f"1 {'1' * 64}", "b": {"source": "2" * 64, "tools": [], "root": []}},
        "packages": {"c:all": f"1.0 {'1' * 64}"},
    }
    record = LayerRecord("e" * 64, "wheels", "t", blobs.blobs, inputs, 0.1)
    store.commit(record)
    age(store)
    for sha256 in ("1" * 64, "2" * 64, "3" * 64):
        os.utime(store.wheel(sha256, "a.whl").parent, (1, 1))
    mark_used(store, [record.id])
    debs = {e.hash[0]: e.used for e in read_contents(store).part("debs")}
    assert debs["1"] > time.time() - 60
    assert debs["2"] > time.time() - 60
    assert debs["3"] < time.time() - LONG_AGO / 2


def test_size_takes_the_longest_unused_first(tmp_path: Path, store: Store, gc: Run) -> None:
    plans = [image("a", text) for text in ("one", "two", "three")]
    for plan in plans:
        age(store, 1000)
        built(tmp_path / "dist", store, plan)
        for path in store.root.rglob("*"):
            if path.is_file():
                os.utime(path, (path.stat().st_mtime - 5000,) * 2)
    before = read_contents(store)
    last = blob_name(store, plans[2].layers[0].id)
    size = {f"{e.part}/{e.name}": bytes_of([e]) for e in before.entries}
    gc("--keep-bytes", f"{size[last]}B")
    assert names(store) == {last}
    gc("--keep-bytes", "0")
    assert names(store) == set()
    assert list((store.root / "layers").iterdir()) == []


def test_of_one_build_trees_go_before_wheels_and_wheels_before_blobs(
    tmp_path: Path, store: Store
) -> None:
    made = built(tmp_path / "dist", store, image("a", "x"))
    record = store.record(made.images[0].layers[0].id)
    assert record is not None
    blob = record.blobs[0]
    store.wheel("1" * 64, "a.whl").parent.mkdir()
    store.wheel("1" * 64, "a.whl").write_bytes(b"w" * 100)
    (store.tree(blob.diff_id) / "srv").mkdir(parents=True)
    (store.tree(blob.diff_id) / "srv/x").write_bytes(b"t" * 100)
    store.commit(LayerRecord("e" * 64, "wheels", "t", (blob,), {"a": "1" * 64}, 0.1))
    later = time.time() + 100
    for path in (store.root / "layers").iterdir():
        os.utime(path, (later, later))
    contents = read_contents(store)
    order = []
    for keep in (blob.size + 150, blob.size + 50, 0):
        gone = choose(contents, Limits(keep_bytes=keep)).entries
        order.append([e.part for e in gone])
    assert order == [["trees"], ["trees", "wheels"], ["trees", "wheels", "blobs"]]


def test_a_file_with_two_names_counts_once(tmp_path: Path, store: Store) -> None:
    """A pulled layer lies in its image and among the blobs: removing one of them frees nothing."""
    made = built(tmp_path / "dist", store, image("a", "x"))
    blob = store.blob(made.images[0].layers[0].digest)
    place = store.image(f"sha256:{'a' * 64}")
    place.mkdir()
    (place / blob.name).hardlink_to(blob)
    contents = read_contents(store)
    size = blob.stat().st_size
    assert bytes_of(contents.entries) == size
    collection = choose(contents, Limits(keep_bytes=size - 1))
    assert len(collection.entries) == 2
    assert (collection.freed, collection.kept) == (size, 0)


def test_without_limits_only_what_is_of_no_use_goes(tmp_path: Path, store: Store) -> None:
    built(tmp_path / "dist", store, image("a", "x"))
    kept = names(store)
    store.blob("f" * 64).write_bytes(b"of a build that was killed before it wrote its record")
    store.tree("e" * 64).mkdir()
    (store.root / "tmp" / "left-behind").mkdir()
    with store.locked("a layer"), unused(store, bool):
        pass
    with unused(store, bool):
        collection, swept = collect(store, Limits())
    assert {e.hash[0] for e in collection.entries} == {"e", "f"}
    assert [p.name for p in (store.root / "locks").iterdir()] == ["use"]
    assert swept == 1
    assert names(store) == kept
    assert list((store.root / "tmp").iterdir()) == []


def test_dist_keeps_what_the_cache_gives_up(tmp_path: Path, store: Store, gc: Run) -> None:
    made = built(tmp_path / "dist", store, image("a", "x"))
    gc("--keep-bytes", "0")
    digest = made.images[0].layers[0].digest.removeprefix("sha256:")
    assert (tmp_path / "dist/blobs/sha256" / digest).is_file()
    again = built(tmp_path / "dist", store, image("a", "x"))
    assert again.images[0].digest == made.images[0].digest


def test_dry_run_removes_nothing(tmp_path: Path, store: Store, gc: Run) -> None:
    built(tmp_path / "dist", store, image("a", "x"))
    before = names(store)
    out = gc("--keep-bytes", "0", "--dry-run").stdout
    assert names(store) == before
    assert all(name in out for name in before)
    assert "1 entries and 1 records would be removed" in out
    said = json.loads(gc("--keep-bytes", "0", "--dry-run", "--json").stdout)
    assert set(said["removed"]) == before
    assert said["dry_run"] is True


_BUILDING = """
import sys, pathlib
from lapstrake.store.store import Store
from lapstrake.store.use import in_use
with in_use(Store(pathlib.Path(sys.argv[1]))):
    print("building", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("ends", ["by itself", "killed"])
def test_gc_waits_for_a_running_build(tmp_path: Path, store: Store, gc: Run, ends: str) -> None:
    built(tmp_path / "dist", store, image("a", "x"))
    before = names(store)
    words = [sys.executable, "-c", _BUILDING, str(store.root)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        with pytest.raises(UserError, match="a build uses the cache"):
            gc("--keep-bytes", "0", "--no-wait")
        assert "would be removed" in gc("--keep-bytes", "0", "--dry-run").stdout
        waiting = threading.Event()

        def busy() -> bool:
            waiting.set()
            return True

        def collecting() -> None:
            with unused(store, busy):
                collect(store, Limits(keep_bytes=0))

        thread = threading.Thread(target=collecting)
        thread.start()
        assert waiting.wait(60)
        assert names(store) == before
        if ends == "killed":
            child.kill()
        else:
            child.stdin.close()
        child.wait()
        thread.join(60)
    assert names(store) == set()


def test_builds_share_the_cache_and_hold_it_while_they_build(store: Store) -> None:
    with in_use(store), in_use(store), pytest.raises(BlockingIOError), unused(store, bool):
        pass
    with unused(store, bool):
        pass


def test_a_build_holds_the_lock(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked from within: while its blobs go to dist/, nobody can have the cache alone."""
    seen = []

    def linking(*args: object) -> None:
        with (store.root / "locks" / "use").open("ab") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                seen.append("held")

    monkeypatch.setattr("lapstrake.build.write_layout", linking)
    built(tmp_path / "dist", store, image("a", "x"))
    assert seen == ["held"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("10GB", 10**10), ("1.5GiB", 3 << 29), ("3kB", 3000), ("7", 7), ("2 MB", 2 * 10**6)],
)
def test_sizes(text: str, size: int) -> None:
    from lapstrake.cli.cache import _Size

    assert _Size().convert(text, None, None) == size


@pytest.mark.parametrize("args", [("--older-than", "2 weeks"), ("--keep-bytes", "much")])
def test_what_is_no_age_or_size(store: Store, gc: Run, args: tuple[str, str]) -> None:
    result = gc(*args, catch=True)
    assert result.exit_code == 2
    assert "as in 1" in result.output


def test_stats(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPSTRAKE_CACHE", str(store.root))
    made = built(tmp_path / "dist", store, image("a", "x", "y"))
    store.deb("1" * 64).write_bytes(b"d" * 7)
    (store.root / "tmp" / "left").mkdir()
    (store.root / "tmp" / "left" / "f").write_bytes(b"12345")
    words = ["cache", "stats", "--json"]
    said = json.loads(CliRunner().invoke(cli, words, standalone_mode=False).stdout)
    blobs = sum(x.size for x in made.images[0].layers)
    assert said["parts"]["blobs"] == {"count": 2, "bytes": blobs}
    assert said["parts"]["debs"] == {"count": 1, "bytes": 7}
    assert said["parts"]["tmp"] == {"count": 1, "bytes": 5}
    assert said["bytes"] == blobs + 12
    assert said["records"] == 2


def test_stats_of_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPSTRAKE_CACHE", str(tmp_path / "nowhere"))
    done = CliRunner().invoke(cli, ["cache", "stats", "--json"], standalone_mode=False)
    assert json.loads(done.stdout)["bytes"] == 0
    assert not (tmp_path / "nowhere").exists()
