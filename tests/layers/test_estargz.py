"""A layer as eStargz, as gzip and as a tar archive, read by others than who wrote it."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from estargz_reader import digest, members, open_layer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapstrake.errors import UserError
from lapstrake.layers.estargz import CHUNK, Entry, LayerWriter, Origin
from lapstrake.layers.toc import RESERVED
from lapstrake.store.records import Blob

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Item = tuple[Entry, bytes]


def raw_deflate(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def a_file(name: str, data: bytes, **more: object) -> Item:
    return Entry(name, "file", 0o644, 1_700_000_000, size=len(data), **more), data  # type: ignore[arg-type]


def write(path: Path, items: list[Item], through: bool = False) -> Blob:
    """A layer of `items`; with `through`, files are given as deflate streams."""
    with LayerWriter(path) as layer:
        for entry, data in items:
            if entry.type != "file":
                layer.add(entry)
            elif through:
                layer.add_deflated(entry, raw_deflate(data), zlib.crc32(data))
            else:
                layer.add(entry, data)
    return layer.blob


def everything() -> list[Item]:
    link = Entry("bin/sh", "symlink", 0o777, 0, target="dash")
    return [
        (Entry("bin", "dir", 0o755, 1), b""),
        a_file("bin/dash", b"\x7fELF" * 1000),
        (link, b""),
        (Entry("bin/again", "hardlink", 0o644, 1, target="bin/dash"), b""),
        (Entry("dev", "dir", 0o1777, 2), b""),
        (Entry("dev/null", "char", 0o666, 3, major=1, minor=3), b""),
        (Entry("dev/pipe", "fifo", 0o600, 3), b""),
        (Entry("dev/sda", "block", 0o660, 3, gid=6, major=8, minor=0), b""),
        a_file("empty", b""),
        a_file("ping", b"x" * 513, xattrs={"security.capability": b"\x01\x00\x00\x02\0=\n"}),
        a_file("sudo", b"s", uid=0, gid=27),
        a_file("big-ids", b"i", uid=3_000_000, gid=2_097_152),
        a_file("d" * 90 + "/" + "n" * 90, b"prefix"),
        a_file("n" * 255, b"long"),
        a_file("grüße/日本語", "Grüße".encode()),
        a_file(os.fsdecode(b"latin-\xe9"), b"latin"),
        (Entry("long-link", "symlink", 0o777, 0, target="../" * 60 + "x"), b""),
        (Entry("ümlaut-link", "symlink", 0o777, 0, target="zïel"), b""),
    ]


def entry_of(info: tarfile.TarInfo) -> Entry:
    """What Python's tarfile understood."""
    kinds = {"0": "file", "1": "hardlink", "2": "symlink", "3": "char", "4": "block", "5": "dir"}
    prefix = "SCHILY.xattr."
    return Entry(
        name=info.name,
        type=kinds.get(info.type.decode(), "fifo"),  # type: ignore[arg-type]
        mode=info.mode,
        mtime=int(info.mtime),
        uid=info.uid,
        gid=info.gid,
        size=info.size,
        target=info.linkname,
        major=info.devmajor,
        minor=info.devminor,
        xattrs={
            key.removeprefix(prefix): value.encode("utf-8", "surrogateescape")
            for key, value in info.pax_headers.items()
            if key.startswith(prefix)
        },
    )


def read_back(path: Path) -> list[Item]:
    with tarfile.open(path, "r:gz") as tar:
        found = []
        for info in tar:
            stream = tar.extractfile(info) if info.isreg() else None
            found.append((entry_of(info), stream.read() if stream else b""))
    assert found[-1][0].name == "stargz.index.json"
    return found[:-1]


@pytest.mark.parametrize("through", [False, True])
def test_tarfile_reads_what_was_written(tmp_path: Path, through: bool) -> None:
    items = everything()
    write(tmp_path / "layer", items, through)
    assert read_back(tmp_path / "layer") == items


@pytest.mark.parametrize("through", [False, True])
def test_a_lazy_puller_reads_each_file(tmp_path: Path, through: bool) -> None:
    items = everything()
    blob = write(tmp_path / "layer", items, through)
    layer = open_layer(tmp_path / "layer")
    assert blob.toc == digest(layer.toc)
    shown = [str(e["name"]).rstrip("/") for e in layer.entries]
    utf8 = [i[0].name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for i in items]
    assert shown == utf8
    for (entry, data), name in zip(items, utf8, strict=True):
        if entry.type == "file":
            assert layer.read(name) == data


def test_the_blob_is_described_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "layer"
    written: list[int] = []
    with LayerWriter(path, written.append) as layer:
        for entry, data in everything():
            layer.add(entry, data if entry.type == "file" else None)
    compressed = path.read_bytes()
    tar = gzip.decompress(compressed)
    assert layer.blob == Blob(
        digest=digest(compressed),
        diff_id=digest(tar),
        size=len(compressed),
        unpacked=len(tar),
        toc=digest(open_layer(path).toc),
    )
    assert sum(written) == len(compressed)
    assert list(tmp_path.iterdir()) == [path]


def test_gnu_tar_and_gzip_accept_it(tmp_path: Path) -> None:
    path = tmp_path / "layer.tar.gz"
    items = [i for i in everything() if i[0].type not in {"char", "block"}]
    write(path, items)
    subprocess.run(["gzip", "-t", path], check=True)
    out = tmp_path / "out"
    out.mkdir()
    said = subprocess.run(
        ["tar", "-xzf", path, "-C", out, "--no-same-owner", "-p"],
        check=True,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert said.stderr.replace(b"\n", b"").endswith(b"'hdrcharset'")
    for entry, data in items:
        found = out / entry.name
        assert found.is_symlink() or found.exists(), entry.name
        if entry.type == "file":
            assert found.read_bytes() == data
            assert found.stat().st_mtime == entry.mtime
        if entry.type == "symlink":
            assert str(found.readlink()) == entry.target
    assert (out / "bin/again").samefile(out / "bin/dash")
    assert (out / "dev").stat().st_mode & 0o7777 == 0o1777


def test_members_begin_where_the_specification_wants_them(tmp_path: Path) -> None:
    path = tmp_path / "layer"
    big = bytes(range(256)) * (CHUNK // 128)
    write(path, [a_file("a", b"A" * 10), a_file("big", big), (Entry("d", "dir", 0o755, 0), b"")])
    starts = dict(members(path.read_bytes()))
    layer = open_layer(path)
    assert layer.toc_offset in starts
    for entry in layer.entries:
        if "offset" in entry:
            assert len(starts[entry["offset"]]) in {10, CHUNK}  # type: ignore[index]
    assert [e["type"] for e in layer.entries] == ["reg", "reg", "chunk", "dir"]
    assert layer.entries[2]["chunkSize"] == 0, "the last chunk goes to the file's end"


def test_what_is_passed_through_is_not_compressed_again(tmp_path: Path) -> None:
    data = os.urandom(5000) * 3
    stream = raw_deflate(data, level=1)
    with LayerWriter(tmp_path / "layer") as layer:
        layer.add_deflated(a_file("x", data)[0], stream, zlib.crc32(data))
    assert stream in (tmp_path / "layer").read_bytes()


def test_a_layer_without_entries(tmp_path: Path) -> None:
    write(tmp_path / "layer", [])
    assert read_back(tmp_path / "layer") == []
    assert open_layer(tmp_path / "layer").entries == []


def test_a_stream_is_as_good_as_bytes(tmp_path: Path) -> None:
    class Drips(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 100_001))

    data = os.urandom(CHUNK + 12345)
    entry = a_file("x", data)[0]
    with LayerWriter(tmp_path / "one") as one:
        one.add(entry, data)
    with LayerWriter(tmp_path / "two") as two:
        two.add(entry, Drips(data))
    assert one.blob == two.blob
    assert open_layer(tmp_path / "two").read("x") == data


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_the_names_that_lazy_pulling_keeps_for_itself(tmp_path: Path, name: str) -> None:
    entry, data = a_file(name, b"x")
    with LayerWriter(tmp_path / "layer") as writer:
        with pytest.raises(UserError, match="keep that name for themselves"):
            writer.add(entry, data)
        below, data = a_file(f"below/{name}", b"x")
        writer.add(below, data)
    assert open_layer(tmp_path / "layer").read(f"below/{name}") == b"x"


names = (
    st.lists(
        st.text(
            st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1
        ).filter(lambda part: part not in {".", ".."} and len(part.encode()) < 200),
        min_size=1,
        max_size=4,
    )
    .map("/".join)
    .filter(lambda name: name not in RESERVED)
)
sizes = st.sampled_from([0, 1, 511, 512, 513, 70_000, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7])


@quick
@given(
    st.lists(st.tuples(names, sizes, st.booleans()), max_size=4, unique_by=lambda item: item[0]),
    st.integers(0, 0o7777),
    st.integers(0, 2**33),
    st.integers(0, 2**32 - 1),
)
def test_any_name_and_size(
    tmp_path: Path, files: list[tuple[str, int, bool]], mode: int, mtime: int, uid: int
) -> None:
    path = tmp_path / "layer"
    items = []
    with LayerWriter(path) as layer:
        for name, size, through in files:
            data = hashlib.shake_128(name.encode()).digest(size)
            entry = Entry(name, "file", mode, mtime, uid=uid, size=size)
            items.append((entry, data))
            if through:
                layer.add_deflated(entry, raw_deflate(data, 1), zlib.crc32(data))
            else:
                layer.add(entry, data)
    assert read_back(path) == items
    lazy = open_layer(path)
    for entry, data in items:
        assert lazy.read(entry.name) == data


def test_the_same_bytes_each_time_and_beside_others(tmp_path: Path) -> None:
    items = [*everything(), a_file("big", b"0123456789" * 1_000_000)]
    once = write(tmp_path / "once", items)
    with ThreadPoolExecutor(6) as pool:
        rest = list(pool.map(lambda n: write(tmp_path / f"{n}", items), range(6)))
    assert rest == [once] * 6
    assert {p.read_bytes() for p in tmp_path.iterdir()} == {(tmp_path / "once").read_bytes()}


DATA = b"some content that deflates, deflates and deflates" * 100
STREAM = raw_deflate(DATA)
BAD = {
    "longer than": (STREAM, zlib.crc32(DATA), len(DATA) - 1, ""),
    "bytes instead of": (STREAM, zlib.crc32(DATA), len(DATA) + 1, ""),
    "CRC-32 differs": (STREAM, zlib.crc32(DATA) ^ 1, len(DATA), ""),
    "ends early": (STREAM[:-3], zlib.crc32(DATA), len(DATA), ""),
    "goes on after": (STREAM + b"\0", zlib.crc32(DATA), len(DATA), ""),
    "damaged": (b"\xff" + STREAM[1:], zlib.crc32(DATA), len(DATA), ""),
    "SHA-256": (STREAM, zlib.crc32(DATA), len(DATA), "0" * 64),
}


@pytest.mark.parametrize("word", BAD)
def test_a_stream_that_is_not_what_it_should_be(tmp_path: Path, word: str) -> None:
    stream, crc32, size, sha256 = BAD[word]
    origin = Origin("some.whl: x.py", sha256, "fetch it again")
    with pytest.raises(UserError) as caught, LayerWriter(tmp_path / "layer") as layer:
        layer.add_deflated(Entry("x.py", "file", 0o644, 0, size=size), stream, crc32, origin=origin)
    assert caught.value.message.startswith("some.whl: x.py: ")
    assert word in caught.value.message
    assert caught.value.hint == "fetch it again"
    assert list(tmp_path.iterdir()) == [], "nothing half-written"


@pytest.mark.parametrize(
    ("content", "word"), [(io.BytesIO(b"123"), "early"), (io.BytesIO(b"12345"), "longer"),
                          (b"123", "instead"), (None, "instead")]
)  # fmt: skip
def test_content_of_another_size(tmp_path: Path, content: object, word: str) -> None:
    with pytest.raises(UserError, match=word), LayerWriter(tmp_path / "layer") as layer:
        layer.add(Entry("x", "file", 0o644, 0, size=4), content)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "/etc", "etc/", "a\0b"])
def test_names_that_no_layer_holds(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"name|entry"), LayerWriter(tmp_path / "layer") as layer:
        layer.add(Entry(name, "dir", 0o755, 0))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "layer"
    path.write_bytes(b"before")
    with pytest.raises(UserError), LayerWriter(path) as layer:
        layer.add(Entry("x", "file", 0o644, 0, size=4), b"123")
    assert path.read_bytes() == b"before"
