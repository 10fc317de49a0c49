"""The same inputs give the same digests, whatever the machine around the build is like."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from small_family import Family, digests

pytestmark = pytest.mark.root

_OTHER = {
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "C",
    "TZ": "Pacific/Kiritimati",
    "PYTHONHASHSEED": "4242",
    "USER": "somebody",
    "COLUMNS": "40",
    "HOSTNAME": "elsewhere",
}


def test_another_folder_umask_locale_zone_host_and_processor(
    family: Family, tmp_path: Path
) -> None:
    there = tmp_path / "some where/else"
    shutil.copytree(family.root, there)
    for path in there.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o600)
    family_there = Family(there, family.wheels, family.env, family.mark)
    words, env = family_there.command(tmp_path / "cache", tmp_path / "dist", "--jobs", "1")
    processor = str(min(os.sched_getaffinity(0)))
    script = 'hostname another && umask 0077 && exec taskset -c "$0" "$@"'
    said = subprocess.run(
        ["unshare", "--uts", "sh", "-c", script, processor, *words],
        env=env | _OTHER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert digests(tmp_path / "dist") == family.digests


def test_another_clock(family: Family, tmp_path: Path) -> None:
    """A clock that is years off, as a build's own processes see it."""
    # one step at a time: libfaketime refuses to let anybody sleep, and who waits for a lock does
    words, env = family.command(tmp_path / "cache", tmp_path / "dist", "--jobs", "1")
    fake = {"FAKETIME": "-3000d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    fake["LD_PRELOAD"] = _libfaketime()
    said = subprocess.run(
        words,
        env=env | fake,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert digests(tmp_path / "dist") == family.digests


def _libfaketime() -> str:
    for folder in ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"):
        path = Path(folder) / "libfaketime.so.1"
        if path.exists():
            return str(path)
    pytest.skip("no libfaketime: apt-get install libfaketime")


def test_a_given_epoch_is_honoured_and_a_malformed_one_refused(
    family: Family, tmp_path: Path
) -> None:
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
    for name in ("a", "b"):
        said = family.build(tmp_path / f"cache-{name}", tmp_path / name, env=epoch)
        assert said.returncode == 0, said.stderr
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a") != family.digests
    for wrong in ("yesterday", "-1", "1.5", "9" * 30):
        said = family.build(tmp_path / "c", tmp_path / "c", env={"SOURCE_DATE_EPOCH": wrong})
        assert said.returncode == 1
        assert said.stderr.startswith("error: SOURCE_DATE_EPOCH is ")


def test_the_family_has_compiled_modules(family: Family, tmp_path: Path) -> None:
    """So that the tests above are about them, too."""
    said = family.build(tmp_path / "cache", tmp_path / "dist")
    assert said.returncode == 0, said.stderr
    kept = list((tmp_path / "cache/bytecode").glob("*.zip"))
    assert len(kept) == 4
    for path in kept:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2].partition(".")[0] for name in archive.namelist()}
            assert names == {"__init__", "argparse", "decoder", "enum", "keyword", "tokenize"}
