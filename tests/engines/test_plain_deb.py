from __future__ import annotations

import lzma
import subprocess
from pathlib import Path

import pytest
from deb_maker import CONTROL, archive, deb
from debian.debfile import DebFile

from lapstrake import process
from lapstrake.engines.local import plain_deb
from lapstrake.engines.local.plain_deb import NoPackageError, read_control, write_plain


def listed(made: Path) -> str:
    return process.run(["dpkg-deb", "--contents", made]).stdout


def files(made: Path) -> bytes:
    command = ["dpkg-deb", "--fsys-tarfile", made]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_dpkg_reads_the_same_out_of_both(tmp_path: Path) -> None:
    before, after = deb(tmp_path, "-Zxz"), tmp_path / "plain.deb"
    assert write_plain(before, after)
    assert files(after) == files(before)
    assert listed(after) == listed(before)
    assert after.stat().st_size > len(files(before)) > before.stat().st_size
    fields = process.run(["dpkg-deb", "--field", after]).stdout
    assert fields == process.run(["dpkg-deb", "--field", before]).stdout
    assert read_control(after) == read_control(before) == CONTROL


def test_it_comes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever is larger: what is read at a time, or what is inflated of it."""
    made, place = deb(tmp_path, "-Zxz"), tmp_path / "plain.deb"
    for copy, piece in ((100, 1 << 20), (1 << 20, 1000), (1, 1)):
        monkeypatch.setattr(plain_deb, "_COPY", copy)
        monkeypatch.setattr(plain_deb, "_PIECE", piece)
        assert write_plain(made, place)
        assert files(place) == files(made)


def test_what_stands_behind_the_compressed_files_is_ignored_as_by_dpkg(tmp_path: Path) -> None:
    made, place = deb(tmp_path, "-Zxz"), tmp_path / "plain.deb"
    content = files(made)
    with DebFile(str(made)) as package:
        members = {}
        for member in package.getmembers():
            member.seek(0)
            members[member.name] = member.read()
    made.write_bytes(
        archive(members | {"data.tar.xz": lzma.compress(content) + lzma.compress(b"!")})
    )
    assert files(made) == content
    assert write_plain(made, place)
    assert files(place) == content


@pytest.mark.parametrize("how", ["-Zgzip", "-Znone", "-Zzstd"])
def test_others_are_left_as_they_are(tmp_path: Path, how: str) -> None:
    made, place = deb(tmp_path, "--uniform-compression", how), tmp_path / "plain.deb"
    assert not write_plain(made, place)
    assert not place.exists()
    # of zstd, dpkg-deb says what it has
    assert read_control(made) == (None if how == "-Zzstd" else CONTROL)


def test_what_ends_early_is_no_package(tmp_path: Path) -> None:
    whole = deb(tmp_path, "-Zxz").read_bytes()
    cut = tmp_path / "cut.deb"
    for size in (0, 4, 60, 100, 180, len(whole) // 2, len(whole) - 40):
        cut.write_bytes(whole[:size])
        with pytest.raises(NoPackageError):
            write_plain(cut, tmp_path / "plain.deb")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_no_broken_package(tmp_path: Path) -> None:
    made = deb(tmp_path, "-Zxz")
    with pytest.raises(OSError, match="No space left on device"):
        write_plain(made, Path("/dev/full"))
