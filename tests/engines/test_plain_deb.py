from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from deb_maker import CONTROL, deb

from lapstrake import process
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
