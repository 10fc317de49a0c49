"""Archives that we write are read by others as what was put in, and say nothing else."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapstrake.errors import UserError
from lapstrake.layers.wheel_archive import Archive
from lapstrake.projects.archive import write_tar, write_zip
from lapstrake.projects.model import Expected
from lapstrake.projects.normal import normal_sdist, normal_wheel

INFO = b"Metadata-Version: 2.1\nName: thing\nVersion: 1.2.0\n"

SAFE = st.text(st.characters(categories=["L", "N", "Zs"]), min_size=1, max_size=60)
NAMES = st.lists(SAFE, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=2000), st.booleans()), max_size=8)


@given(FILES)
def test_a_zip_is_read_back(files: dict[str, tuple[bytes, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        write_zip(path, [(n, c, x, "") for n, (c, x) in files.items()])
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert {n: archive.read(n) for n in archive.namelist()} == {
                n: c for n, (c, _) in files.items()
            }
            executable = {i.filename for i in archive.infolist() if i.external_attr >> 16 & 0o111}
        assert executable == {n for n, (_, x) in files.items() if x}


@given(FILES, st.randoms())
def test_a_tar_is_read_back_and_has_one_form(
    files: dict[str, tuple[bytes, bool]], random: st.random_module
) -> None:
    members = [(n, c, x, "") for n, (c, x) in files.items()]
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "a.tar.gz", Path(folder) / "b.tar.gz"
        write_tar(one, "top-1", members)
        random.shuffle(members)  # type: ignore[attr-defined]
        write_tar(two, "top-1", members)
        assert one.read_bytes() == two.read_bytes()
        with tarfile.open(one) as archive:
            found = {
                m.name.removeprefix("top-1/"): (archive.extractfile(m).read(), m.mode)  # type: ignore[union-attr]
                for m in archive
            }
        assert gzip.decompress(one.read_bytes())[-1024:] == bytes(1024)
    assert found == {n: (c, 0o755 if x else 0o644) for n, (c, x) in files.items()}


@pytest.fixture
def expected() -> Expected:
    return Expected("thing", "1.2.0", "odd.backend", frozenset({"core"}))


def zipped(path: Path, *files: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def tarred(path: Path, *files: tuple[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_a_normal_wheel_is_one_that_our_layers_take(tmp_path: Path, expected: Expected) -> None:
    top = "thing-1.2.0.dist-info"
    record = f"z.py,,\n{top}/METADATA,,\na.py,,\n{top}/RECORD,,\n".encode()
    built = zipped(
        tmp_path / "thing-1.2.0-py3-none-any.whl",
        *((f"{top}/RECORD", record), ("z.py", b"z"), (f"{top}/METADATA", INFO), ("a.py", b"")),
    )
    (tmp_path / "out").mkdir()
    wheel = normal_wheel(built, expected, tmp_path / "out")
    with zipfile.ZipFile(wheel) as archive:
        names = ["a.py", "z.py", f"{top}/METADATA", f"{top}/RECORD"]
        assert archive.namelist() == names
        assert sorted(archive.read(f"{top}/RECORD").splitlines()) == sorted(record.splitlines())
    with Archive(wheel) as ours:
        assert sorted(ours.members) == sorted(names)
        assert all(member.is_deflated for member in ours.members.values())


def test_an_older_name_of_a_source_archive_becomes_that_of_pep_625(
    tmp_path: Path, expected: Expected
) -> None:
    built = tarred(
        tmp_path / "Thing-1.2.0.tar.gz", ("Thing-1.2.0/PKG-INFO", INFO), ("Thing-1.2.0/a", b"a")
    )
    (tmp_path / "out").mkdir()
    path = normal_sdist(built, expected, tmp_path / "out")
    assert path.name == "thing-1.2.0.tar.gz"
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["thing-1.2.0/PKG-INFO", "thing-1.2.0/a"]


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (INFO.replace(b"thing", b"other"), "says that its name is 'other'"),
        (INFO.replace(b"1.2.0", b"1.2.1"), "has the version '1.2.1', not 1.2.0"),
        (INFO.replace(b"1.2.0", b"odd"), "has the version 'odd', not 1.2.0"),
        (b"", "says that its name is ''"),
    ],
)
def test_what_says_something_else_is_refused(
    info: bytes, why: str, tmp_path: Path, expected: Expected
) -> None:
    wheel = zipped(tmp_path / "t.whl", ("thing-1.2.0.dist-info/METADATA", info))
    sdist = tarred(tmp_path / "t.tar.gz", ("thing-1.2.0/PKG-INFO", info))
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=why):
        normal_wheel(wheel, expected, tmp_path / "out")
    with pytest.raises(UserError, match=why):
        normal_sdist(sdist, expected, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("required", "refused"),
    [
        ("core==1.2.0", False),
        ("Core>=1", False),
        ("core", False),
        ("core<1.2", True),
        ("core @ file:///home/me/core", True),
        ("other<1", False),
    ],
)
def test_a_wheel_must_go_with_its_own_release(
    required: str, refused: bool, tmp_path: Path, expected: Expected
) -> None:
    info = INFO + f"Requires-Dist: {required}\n".encode()
    wheel = zipped(tmp_path / "t.whl", ("thing-1.2.0.dist-info/METADATA", info))
    (tmp_path / "out").mkdir()
    if not refused:
        normal_wheel(wheel, expected, tmp_path / "out")
        return
    with pytest.raises(UserError, match="its own release isn't"):
        normal_wheel(wheel, expected, tmp_path / "out")


def test_what_is_no_archive_is_refused(tmp_path: Path, expected: Expected) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(UserError, match=r"odd\.backend built no wheel"):
        normal_wheel(broken, expected, tmp_path)
    with pytest.raises(UserError, match=r"odd\.backend built no \.tar\.gz"):
        normal_sdist(broken, expected, tmp_path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(tmp_path / "t.whl", ("a", b"1"), ("a", b"2"))
    with pytest.raises(UserError, match="has a twice"):
        normal_wheel(twice, expected, tmp_path)
    half = tarred(tmp_path / "t.tar.gz", ("thing-1.2.0/PKG-INFO", INFO))
    half.write_bytes(half.read_bytes()[:40])
    with pytest.raises(UserError, match=r"built no \.tar\.gz"):
        normal_sdist(half, expected, tmp_path)
