"""`lapstrake cache verify`: what is bad is found and named, and goes with --repair."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from lapstrake.cli.main import cli
from lapstrake.dist import Build
from lapstrake.layers.kinds import digest_of
from lapstrake.store.records import LayerRecord
from lapstrake.store.store import Store
from lapstrake.store.verify import repair, verify
from support.tinyimages import built, image


@pytest.fixture
def build(tmp_path: Path, store: Store) -> Build:
    """A build of two layers; its layers are in the cache."""
    return built(tmp_path / "dist", store, image("a", "x", "y"))


def flip(path: Path, at: int) -> None:
    """Turn one bit over."""
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def faults(store: Store) -> list[str]:
    return [str(f) for f in verify(store, 2).faults]


def add_wheel(store: Store, data: bytes, key: str = "") -> Path:
    path = store.wheel(key or hashlib.sha256(data).hexdigest(), "a-1-py3-none-any.whl")
    path.parent.mkdir()
    path.write_bytes(data)
    return path


def add_record(store: Store, **inputs: object) -> LayerRecord:
    record = LayerRecord("d" * 64, "wheels", "t", (), inputs, 0.1)
    store.commit(record)
    return record


def some_wheel(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/__init__.py", "text\n" * 20)
    return path.read_bytes()


def test_a_good_cache(store: Store, build: Build, tmp_path: Path) -> None:
    add_wheel(store, some_wheel(tmp_path / "w"))
    data = b"debian"
    store.deb(hashlib.sha256(data).hexdigest()).write_bytes(data)
    verdict = verify(store, 2)
    assert verdict.faults == ()
    assert verdict.checked == {
        "bytecode": 0,
        "blobs": 2,
        "wheels": 1,
        "debs": 1,
        "images": 0,
        "inflated": 0,
        "records": 2,
        "trees": 0,
    }


@pytest.mark.parametrize("place", [0, 0.3, 0.6, 0.999])
def test_any_flipped_bit_of_a_blob_is_found(store: Store, build: Build, place: float) -> None:
    digest = build.images[0].layers[0].digest
    path = store.blob(digest)
    flip(path, int(place * path.stat().st_size))
    (found,) = faults(store)
    assert found.startswith(f"blobs/{path.name}: its bytes have the digest sha256:")


def change_record(store: Store, **fields: object) -> None:
    (path,) = (p for p in (store.root / "layers").iterdir() if '"file x"' in p.read_text())
    record = json.loads(path.read_bytes())
    record["blobs"][0] |= fields
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("diff_id", f"sha256:{'0' * 64}", "its diffID is sha256:"),
        ("unpacked", 7, "its unpacked size is"),
        ("size", 7, "its size is"),
        ("toc", f"sha256:{'0' * 64}", "its table of contents is sha256:"),
    ],
)
def test_a_record_that_says_something_else(
    store: Store, build: Build, field: str, value: object, said: str
) -> None:
    change_record(store, **{field: value})
    (found,) = faults(store)
    assert said in found
    assert f"its record says {value}" in found


def test_a_missing_blob_and_a_mangled_record(store: Store, build: Build) -> None:
    digest = build.images[0].layers[0].digest
    store.blob(digest).unlink()
    (store.root / "layers" / f"{'e' * 64}.json").write_text("{")
    found = faults(store)
    assert f"layers/{build.images[0].layers[0].id}.json: its blob" in found[0]
    assert found[1] == f"layers/{'e' * 64}.json: is no record"


def test_a_record_of_another_layer(store: Store, build: Build) -> None:
    path = store.root / "layers" / f"{build.images[0].layers[0].id}.json"
    path.rename(path.with_name(f"{'e' * 64}.json"))
    (found,) = faults(store)
    assert "is the record of" in found


def test_downloads_against_their_hashes(store: Store, tmp_path: Path) -> None:
    wheel = add_wheel(store, some_wheel(tmp_path / "w"))
    add_record(store, wheels={"a": f"1 {wheel.parent.name}"})
    flip(wheel, 4)
    store.deb("f" * 64).write_bytes(b"other")
    assert faults(store) == [
        f"debs/{'f' * 64}.deb: has other bytes than its hash says",
        f"wheels/{wheel.parent.name}: {wheel.name} has other bytes than its hash says",
    ]


def test_wheels_built_here_are_checked_by_their_content(store: Store, tmp_path: Path) -> None:
    """They lie under the hash of what they were built from."""
    inputs = {"source": "1" * 64, "tools": [], "root": []}
    add_record(store, wheels={"a": inputs})
    wheel = add_wheel(store, some_wheel(tmp_path / "w"), digest_of(inputs))
    assert faults(store) == []
    flip(wheel, 60)
    (found,) = faults(store)
    assert found.startswith("wheels/")


def test_a_project_has_its_source_archive_beside_its_wheel(store: Store, tmp_path: Path) -> None:
    inputs = {"source": "1" * 64, "tools": [], "root": [], "own": 1}
    add_record(store, wheels={"a": inputs})
    wheel = add_wheel(store, some_wheel(tmp_path / "w"), digest_of(inputs))
    sdist = wheel.with_name("a-1.tar.gz")
    sdist.write_bytes(gzip.compress(b"content"))
    assert faults(store) == []
    flip(sdist, 12)
    (found,) = faults(store)
    assert "a-1.tar.gz has other bytes" in found


def test_pulled_images(store: Store) -> None:
    place = store.image(f"sha256:{'a' * 64}")
    place.mkdir()
    (place / ("b" * 64)).write_bytes(b"other")
    assert faults(store) == [
        f"images/{'a' * 64}: has no manifest",
        f"images/{'a' * 64}: its blob {'b' * 64} has other bytes",
    ]


def test_what_cant_be_read_is_bad(store: Store) -> None:
    (store.root / "wheels" / ("a" * 64)).write_text("no folder")
    (store.root / "blobs/sha256" / ("b" * 64)).mkdir()
    assert faults(store) == [
        f"blobs/{'b' * 64}: can't be read: Is a directory",
        f"wheels/{'a' * 64}: can't be read: Not a directory",
    ]
    repair(store, verify(store, 1))
    assert faults(store) == []


def test_repair_removes_what_is_bad_and_nothing_else(
    tmp_path: Path, store: Store, build: Build
) -> None:
    bad, good = build.images[0].layers
    flip(store.blob(bad.digest), 40)
    tree = store.tree(bad.diff_id)
    tree.mkdir()
    (tree / "file").write_text("")
    wheel = add_wheel(store, b"not a wheel", "c" * 64)
    # blob, record, tree and wheel
    assert repair(store, verify(store, 2)) == 4
    assert faults(store) == []
    assert not store.blob(bad.digest).exists()
    assert not tree.exists()
    assert not wheel.parent.exists()
    assert store.record(bad.id) is None
    assert store.record(good.id) is not None
    assert list((store.root / "tmp").iterdir()) == []


def test_the_build_after_a_repair_mends_dist(tmp_path: Path, store: Store, build: Build) -> None:
    """Its blobs are links to those of the cache: the bit is flipped there, too."""
    digest = build.images[0].layers[0].digest
    flip(store.blob(digest), 40)
    repair(store, verify(store, 2))
    in_dist = tmp_path / "dist/blobs/sha256" / digest.removeprefix("sha256:")
    assert hashlib.sha256(in_dist.read_bytes()).hexdigest() != in_dist.name
    built(tmp_path / "dist", store, image("a", "x", "y"))
    assert hashlib.sha256(in_dist.read_bytes()).hexdigest() == in_dist.name
    assert not [p for p in in_dist.parent.iterdir() if p.name.startswith(".")]


def test_the_command_names_what_is_bad(
    store: Store, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPSTRAKE_CACHE", str(store.root))
    path = store.blob(build.images[0].layers[0].digest)

    def run(*args: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["cache", "verify", *args], standalone_mode=False)
        return int(done.return_value or 0), done.stdout

    counts = "2 blobs, 0 debs, 0 wheels, 0 images, 0 bytecode, 0 inflated, 0 trees, 2 records"
    assert run() == (0, f"{counts}: all good\n")
    flip(path, 10)
    code, out = run()
    assert code == 1
    assert f"blobs/{path.name}" in out
    code, out = run("--json")
    assert code == 1
    assert [f["name"] for f in json.loads(out)["faults"]] == [path.name]
    code, out = run("--repair")
    assert (code, out.endswith("1 bad, 2 removed\n")) == (1, True)
    assert run()[0] == 0
