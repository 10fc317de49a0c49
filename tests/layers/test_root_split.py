from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from layer_tools import read_layer

from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.from_tar import Times, write_rootfs
from lapstrake.layers.root_split import Split, group_sources, read_database
from lapstrake.layers.tarheader import Entry

_EPOCH = 1_700_000_000
_OWN = _EPOCH - 1000

_LISTS = {
    "bash": ["/.", "/bin", "/bin/bash", "/usr", "/usr/share", "/usr/share/bash"],
    "dash": ["/.", "/bin", "/bin/dash", "/bin/sh", "/usr/share/man.gz"],
    "libpy:amd64": ["/usr/lib/py/x.py", "/usr/lib/py", "/usr/lib", "/usr", "/etc/py.conf"],
    "py3.11": ["/usr/bin/py3.11"],
    "divert": ["/usr/share/man.gz", "/usr/share/only"],
}
_SOURCES = {"libpy": "py", "py3.11": "py"}

_TREE = [
    "bin -> usr/bin",
    "etc/",
    "etc/alternatives/",
    "etc/alternatives/sh -> /bin/dash",
    "etc/py.conf",
    "etc/passwd",
    "usr/",
    "usr/bin/",
    "usr/bin/bash",
    "usr/bin/bash-link => usr/bin/bash",
    "usr/bin/dash",
    "usr/bin/py3.11",
    "usr/bin/sh -> dash",
    "usr/lib/",
    "usr/lib/py/",
    "usr/lib/py/__pycache__/",
    "usr/lib/py/__pycache__/x.cpython-311.opt-1.pyc",
    "usr/lib/py/__pycache__/gone.cpython-311.pyc",
    "usr/lib/py/x.py",
    "usr/share/",
    "usr/share/bash/",
    "usr/share/man.dash.gz",
    "usr/share/man.gz",
    "var/",
    "var/lib/",
    "var/lib/dpkg/",
    "var/lib/dpkg/info/",
    "var/lib/dpkg/info/libpy:amd64.list",
    "var/lib/dpkg/info/py3.11.postinst",
    "var/lib/dpkg/info/format",
    "var/lib/dpkg/status",
]


@pytest.fixture
def dpkg(tmp_path: Path) -> Path:
    """A folder with dpkg's database of a small root."""
    folder = tmp_path / "dpkg"
    (folder / "info").mkdir(parents=True)
    for name, lines in _LISTS.items():
        (folder / f"info/{name}.list").write_text("".join(f"{line}\n" for line in lines))
    names = [stem.partition(":")[0] for stem in _LISTS]
    (folder / "status").write_text("\n".join(_paragraph(name) for name in names))
    (folder / "diversions").write_text("/usr/share/man.gz\n/usr/share/man.dash.gz\ndivert\n")
    (folder / "links").write_text("bin usr/bin\n")
    return folder


def _paragraph(name: str, version: str = "1-1") -> str:
    source = f"Source: {_SOURCES[name]} (9)\n" if name in _SOURCES else ""
    return f"Package: {name}\n{source}Version: {version}\nDescription: a\n Package: no\n"


def _tar(mtime: int = _OWN) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in _TREE:
            name, _, target = item.replace("=>", "->").partition(" -> ")
            info = tarfile.TarInfo(f"./{name}".rstrip("/"))
            info.mtime, info.mode = mtime, 0o751
            if item.endswith("/"):
                info.type = tarfile.DIRTYPE
            elif target:
                info.type = tarfile.LNKTYPE if "=>" in item else tarfile.SYMTYPE
                info.linkname = f"./{target}" if "=>" in item else target
            else:
                info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    out.seek(0)
    return out


def _blobs(dpkg: Path, out: Path, times: Times, blobs: int = 12) -> list[dict[str, Entry]]:
    out.mkdir()
    split = Split(read_database(dpkg), dict.fromkeys(("bash", "dash"), 1000), blobs)
    written = write_rootfs(_tar(), out, times, split)
    return [{n: e for n, (e, _) in read_layer(path).items()} for path, _ in written]


def _files(blob: dict[str, Entry]) -> set[str]:
    return {name for name, entry in blob.items() if entry.type != "dir"}


def test_files_lie_with_their_owner(dpkg: Path, tmp_path: Path) -> None:
    *low, top = _blobs(dpkg, tmp_path / "out", Times(_EPOCH))
    assert sorted(map(sorted, map(_files, low))) == [
        [
            "etc/py.conf",
            "usr/bin/py3.11",
            "usr/lib/py/__pycache__/x.cpython-311.opt-1.pyc",
            "usr/lib/py/x.py",
            "var/lib/dpkg/info/libpy:amd64.list",
            "var/lib/dpkg/info/py3.11.postinst",
        ],
        ["usr/bin/bash", "usr/bin/bash-link"],
        ["usr/bin/dash", "usr/bin/sh", "usr/share/man.dash.gz"],
        ["usr/share/man.gz"],
    ]
    assert _files(top) == {
        "bin",
        "etc/alternatives/sh",
        "etc/passwd",
        "usr/lib/py/__pycache__/gone.cpython-311.pyc",
        "var/lib/dpkg/info/format",
        "var/lib/dpkg/status",
    }


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 40])
def test_the_blobs_together_are_the_tree(dpkg: Path, tmp_path: Path, count: int) -> None:
    blobs = _blobs(dpkg, tmp_path / "out", Times(_EPOCH), count)
    assert len(blobs) <= count
    files = [name for blob in blobs for name in _files(blob)]
    wanted = {item.partition(" ")[0].rstrip("/") for item in _TREE}
    folders = {item.rstrip("/") for item in _TREE if item.endswith("/")}
    assert sorted(files) == sorted(wanted - folders)
    assert {name for blob in blobs for name in blob} == wanted


def test_every_blob_names_its_folders_as_they_are(dpkg: Path, tmp_path: Path) -> None:
    for blob in _blobs(dpkg, tmp_path / "out", Times(_EPOCH)):
        seen: set[str] = set()
        for name, entry in blob.items():
            folder = name.rpartition("/")[0]
            assert not folder or folder in seen
            if entry.type == "dir":
                assert (entry.mode, entry.mtime) == (0o751, FIXED_MTIME)
                seen.add(name)


def test_an_empty_folder_lies_with_its_only_owner(dpkg: Path, tmp_path: Path) -> None:
    blobs = _blobs(dpkg, tmp_path / "out", Times(_EPOCH))
    (owner,) = [blob for blob in blobs if "usr/share/bash" in blob]
    assert "usr/bin/bash" in owner


def test_only_the_topmost_blob_knows_the_epoch(dpkg: Path, tmp_path: Path) -> None:
    made = (_OWN - 1, _OWN + 1)
    first = _blobs(dpkg, tmp_path / "first", Times(_EPOCH, made))
    second = _blobs(dpkg, tmp_path / "second", Times(_EPOCH + 86400, made))
    assert first[:-1] == second[:-1]
    assert second[-1]["etc/passwd"].mtime == _EPOCH + 86400
    own = _blobs(dpkg, tmp_path / "own", Times(_EPOCH))
    assert {blob[n].mtime for blob in own for n in _files(blob)} == {_OWN}


def test_what_is_updated_most_lies_highest(dpkg: Path) -> None:
    versions = {"dash": "1+deb12u9", "bash": "5.2-2+deb12u10", "divert": "1+deb12u2"}
    (dpkg / "status").write_text("\n".join(_paragraph(n, v) for n, v in versions.items()))
    split = Split(read_database(dpkg), dict.fromkeys(versions, 1 << 20), 40)
    places = [("usr/share/man.gz"), "usr/bin/dash", "usr/bin/bash", "etc/passwd"]
    numbers = [split.blob_of(Entry(name, "file", 0o644, 0)) for name in places]
    assert numbers == [0, 1, 2, 3]
    assert split.top == 3


def test_nothing_known_is_one_blob(tmp_path: Path) -> None:
    split = Split(read_database(tmp_path / "missing"), {}, 12)
    assert split.top == split.blob_of(Entry("usr/bin/env", "file", 0o755, 0)) == 0


_SIZES = {f"source{n}": 3000 * (n + 1) ** 2 for n in range(60)}


@pytest.mark.parametrize("most", [1, 2, 3, 5, 11, 39])
def test_there_are_no_more_groups_than_asked_for(most: int) -> None:
    assert 1 <= len(set(group_sources(_SIZES, most).values())) <= most


def test_an_update_of_one_source_moves_at_most_one_other() -> None:
    before = group_sources(_SIZES, 11)
    for name, size in _SIZES.items():
        for factor in (0.9, 1.02, 1.3, 2.1):
            after = group_sources(_SIZES | {name: int(size * factor)}, 11)
            moved = {other for other in before if before[other] != after[other]}
            # one that grows may take the place of one that had a blob to itself
            assert len(moved - {name}) <= 1
            if int(size * factor).bit_length() == size.bit_length():
                assert moved <= {name}


def test_a_source_that_is_added_moves_at_most_one_other() -> None:
    before = group_sources(_SIZES, 11)
    for size in (10, 1 << 17, 1 << 19, 1 << 30):
        after = group_sources(_SIZES | {"new": size}, 11)
        assert sum(before[name] != after[name] for name in before) <= 1


def test_large_sources_are_alone_and_small_ones_among_themselves() -> None:
    found = group_sources(_SIZES, 11)
    largest = sorted(_SIZES, key=lambda name: -_SIZES[name].bit_length())[:1]
    assert all(list(found.values()).count(found[name]) == 1 for name in largest)
    small = {found[name] for name in _SIZES if _SIZES[name] < 1 << 18}
    large = {found[name] for name in _SIZES if _SIZES[name] >= 1 << 18}
    assert not small & large
