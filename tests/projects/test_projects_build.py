"""Projects of every backend, stamped and really built, twice under different circumstances."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

import pytest
import uv

from lapstrake.errors import UserError
from lapstrake.projects.archive import source_archive
from lapstrake.projects.build import build
from lapstrake.projects.find import find_projects, read_project
from lapstrake.projects.model import Built
from lapstrake.projects.stamp import stamp
from lapstrake.version import Version
from support.gitrepo import git, repository
from support.pyprojects import BACKENDS, HATCHLING, SETUP_PY, Files

pytestmark = pytest.mark.network

VERSION = Version.parse("1.2.0.rc1")


def digests(*paths: Path) -> list[str]:
    return [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths]


def staged_and_built(root: Path, into: Path) -> tuple[Built, Path]:
    """Stamp and build; the built files, and the staged copy's own archive."""
    into.mkdir(parents=True)
    staged = stamp(read_project(root), VERSION, into / "staged")
    archive = into / f"{staged.stem}.tar.gz"
    archive.write_bytes(source_archive(staged))
    return build(staged, into / "out"), archive


def seen(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything in a working tree: modes, times and contents; git's own files by content."""
    return {
        p.relative_to(root).as_posix(): (
            p.lstat().st_mode,
            p.lstat().st_mtime_ns,
            p.read_bytes() if p.is_file() else b"",
        )
        for p in sorted(root.rglob("*"))
    }


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another zone, language, mask, and variables that tools would listen to."""
    for name, value in {
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
        "LANG": "de_DE.UTF-8",
        "SOURCE_DATE_EPOCH": "1700000000",
        "SETUPTOOLS_SCM_PRETEND_VERSION": "9.9.9",
        "PDM_BUILD_SCM_VERSION": "9.9.9",
        "PYTHONHASHSEED": "7",
    }.items():
        monkeypatch.setenv(name, value)
    old = os.umask(0o077)
    time.tzset()
    yield
    os.umask(old)
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_two_builds_are_the_same_bytes(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    files, module = BACKENDS[backend]
    root = repository(tmp_path / "one", files)
    before, status = seen(root), git(root, "status", "--porcelain", "--ignored")
    one, archive = staged_and_built(root, tmp_path / "a")
    assert seen(root) == before
    assert git(root, "status", "--porcelain", "--ignored") == status == ""

    request.getfixturevalue("elsewhere")
    other = repository(tmp_path / "another place" / "of it", files)
    for number, path in enumerate(sorted(other.rglob("*"))):
        if ".git" not in path.parts:
            os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
    two, again = staged_and_built(other, tmp_path / "b" / "deeper")
    assert [one.wheel.name, one.sdist.name] == [two.wheel.name, two.sdist.name]
    assert digests(one.wheel, one.sdist, archive) == digests(two.wheel, two.sdist, again)
    assert one.tools == two.tools
    check_metadata(one)
    if module:
        assert version_when_installed(one.wheel, module, tmp_path) == "1.2.0rc1"


def check_metadata(built: Built) -> None:
    """Name, version and shape of both, and that nothing in them is of the machine."""
    with zipfile.ZipFile(built.wheel) as wheel:
        assert wheel.testzip() is None
        info = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
        found = HeaderParser().parsestr(wheel.read(info).decode())
        assert wheel.namelist()[-1].endswith("/RECORD")
        assert {i.date_time for i in wheel.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert found["Version"] == "1.2.0rc1"
    with tarfile.open(built.sdist) as sdist:
        tops = {m.name.split("/")[0] for m in sdist}
        users = {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in sdist}
        own = sdist.extractfile(f"{built.sdist.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert own is not None
        assert HeaderParser().parsestr(own.read().decode())["Version"] == "1.2.0rc1"
    assert tops == {built.sdist.name.removesuffix(".tar.gz")}
    assert users == {(0, 0, "", "", 315532800)}


def version_when_installed(wheel: Path, module: str, tmp_path: Path) -> str:
    """What the module says of itself in an environment with nothing else."""
    env = tmp_path / "env"
    tool = uv.find_uv_bin()
    subprocess.run([tool, "venv", "-q", "--python", sys.executable, env], check=True)
    python = env / "bin" / "python"
    subprocess.run([tool, "pip", "install", "-q", "--python", python, wheel], check=True)
    code = f"import {module}; print({module}.__version__)"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_backend_that_warns_is_not_heard(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    talking = SETUP_PY["setup.py"].replace("packages=", "no_such_option=1, packages=")
    root = repository(tmp_path / "r", SETUP_PY | {"setup.py": "print('hi')\n" + talking})
    staged_and_built(root, tmp_path / "a")
    assert capfd.readouterr() == ("", "")
    assert [str(w.message) for w in recwarn] == []


def test_data_that_git_tracks_is_in_a_wheel_of_setuptools_scm(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", BACKENDS["setuptools-scm"][0])
    built, _ = staged_and_built(root, tmp_path / "a")
    with zipfile.ZipFile(built.wheel) as wheel:
        assert "thing_scm/more data.txt" in wheel.namelist()
    with tarfile.open(built.sdist) as sdist:
        names = {m.name.partition("/")[2] for m in sdist}
    assert "src/thing_scm/more data.txt" in names
    # what MANIFEST.in says after our list still holds
    assert "tests/test_it.py" not in names


def test_modes_are_kept_as_far_as_they_mean_something(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", HATCHLING)
    (root / "thing_hatch" / "data.json").chmod(0o600)
    built, _ = staged_and_built(root, tmp_path / "a")
    with zipfile.ZipFile(built.wheel) as wheel:
        modes = {i.filename: stat.S_IMODE(i.external_attr >> 16) for i in wheel.infolist()}
    assert modes["thing_hatch/run.sh"] == 0o755
    assert modes["thing_hatch/data.json"] == 0o644


def test_the_staged_archive_builds_the_same_wheel_as_the_copy(tmp_path: Path) -> None:
    """What an image's root builds the wheel of is the archive, without us."""
    root = repository(tmp_path / "r", BACKENDS["setuptools-scm"][0])
    built, archive = staged_and_built(root, tmp_path / "a")
    out = tmp_path / "plain"
    tool = uv.find_uv_bin()
    args = ["build", "-q", "--wheel", "--no-config", "--python", sys.executable, "-o", out, archive]
    subprocess.run([tool, *args], check=True, cwd=tmp_path)
    wheel = next(out.glob("*.whl"))
    assert wheel.name == built.wheel.name
    with zipfile.ZipFile(wheel) as theirs, zipfile.ZipFile(built.wheel) as ours:
        names = [n for n in theirs.namelist() if not n.endswith("/RECORD")]
        assert sorted(theirs.namelist()) == sorted(ours.namelist())
        assert all(theirs.read(n) == ours.read(n) for n in names)


def test_a_runtime_requires_the_core_of_its_own_release(tmp_path: Path) -> None:
    runtime = HATCHLING | {
        "pyproject.toml": HATCHLING["pyproject.toml"].replace(
            'requires-python = ">=3.9"',
            'dependencies = ["Core_Thing[fast]>=0.1; python_version > \'3\'", "six"]',
        )
    }
    files = {f"runtimes/rt/{name}": text for name, text in runtime.items()}
    core = {name: text.replace("Thing.Hatch", "core-thing") for name, text in HATCHLING.items()}
    root = repository(tmp_path / "r", core | files)
    projects = find_projects(root)
    assert [p.name for p in projects.all] == ["core-thing", "thing-hatch"]
    staged = stamp(projects.runtimes[0], VERSION, tmp_path / "s", family=projects)
    built = build(staged, tmp_path / "out")
    assert requirements(built.wheel) == [
        "core-thing[fast]==1.2.0rc1; python_version > '3'",
        "six",
    ]
    loose = stamp(projects.runtimes[0], VERSION, tmp_path / "t", family=projects, bound="minor")
    assert ">=1.2.0rc1,<1.3" in (loose.folder / "pyproject.toml").read_text().replace(
        "<1.3,>=1.2.0rc1", ">=1.2.0rc1,<1.3"
    )


def requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        info = next(n for n in archive.namelist() if n.endswith("METADATA"))
        found = HeaderParser().parsestr(archive.read(info).decode())
    return found.get_all("Requires-Dist") or []


def test_a_requirement_that_excludes_its_own_release_is_refused(tmp_path: Path) -> None:
    """setup.py's requirements are code: nothing bounds them, so the wheel is checked."""
    old = SETUP_PY["setup.py"].replace("packages=", 'install_requires=["core-thing<1"], packages=')
    files = {f"runtimes/rt/{n}": t for n, t in (SETUP_PY | {"setup.py": old}).items()}
    core = {n: t.replace("Thing.Hatch", "core-thing") for n, t in HATCHLING.items()}
    root = repository(tmp_path / "r", core | files)
    projects = find_projects(root)
    staged = stamp(projects.runtimes[0], VERSION, tmp_path / "s", family=projects)
    with pytest.raises(UserError, match="requires core-thing<1, which its own release isn't"):
        build(staged, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.whl"))


def changed(files: Files, **texts: str) -> Files:
    """The same project with the tail of its pyproject.toml, or other files, different."""
    return {**files, **{name.replace("__", "/"): text for name, text in texts.items()}}


FETCHING = """\
import urllib.request

from setuptools import setup

urllib.request.urlopen("https://example.org/data")
setup(name="thing-old", version="0.1.0")
"""


def test_a_build_that_needs_the_network_is_said_to(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", SETUP_PY | {"setup.py": FETCHING})
    with pytest.raises(UserError, match=r"thing-old: setuptools.* can't build the sdist") as caught:
        staged_and_built(root, tmp_path / "a")
    assert "a build has no network" in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_build_sees_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINE_PASSWORD", "canary-of-a-secret")
    monkeypatch.setenv("GITHUB_TOKEN", "canary-of-a-secret")
    telling = (
        'import os\nimport sys\nsys.exit("; ".join(f"{k}={v}" for k, v in os.environ.items()))\n'
    )
    root = repository(tmp_path / "r", SETUP_PY | {"setup.py": telling + SETUP_PY["setup.py"]})
    with pytest.raises(UserError) as caught:
        staged_and_built(root, tmp_path / "a")
    said = " ".join((caught.value.message, *caught.value.details))
    assert "canary" not in said
    assert "TWINE" not in said


@pytest.mark.parametrize(
    ("files", "why", "hint"),
    [
        (
            SETUP_PY
            | {"setup.py": "raise SystemExit('no, I am out of order')\n" + SETUP_PY["setup.py"]},
            "out of order",
            "above",
        ),
        (
            HATCHLING
            | {"pyproject.toml": HATCHLING["pyproject.toml"].replace("hatchling.build", "no.such")},
            "no.such can't build the sdist",
            "pyproject.toml",
        ),
        (
            HATCHLING
            | {
                "pyproject.toml": HATCHLING["pyproject.toml"].replace(
                    '"hatchling"', '"hatchling<0"'
                )
            },
            "what builds it can't be installed",
            "build-system.requires",
        ),
    ],
)
def test_a_build_that_fails_says_why_in_a_line(
    files: Files, why: str, hint: str, tmp_path: Path
) -> None:
    root = repository(tmp_path / "r", files)
    with pytest.raises(UserError, match=why) as caught:
        staged_and_built(root, tmp_path / "a")
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_version_that_the_backend_does_not_take_is_noticed(tmp_path: Path) -> None:
    stubborn = (
        SETUP_PY["setup.py"]
        .replace(
            "setup(name",
            'import setuptools\n\nsettings = {"version": "0.1.0"}\nsetup(**settings, name',
        )
        .replace("version=number(), ", "")
    )
    cfg = "[metadata]\nversion = 0.1.0\n"
    root = repository(tmp_path / "r", SETUP_PY | {"setup.py": stubborn, "setup.cfg": cfg})
    (tmp_path / "a").mkdir()
    staged = stamp(read_project(root), VERSION, tmp_path / "a" / "s")
    (staged.folder / "setup.cfg").unlink()
    with pytest.raises(UserError, match=r"has the version '0\.1\.0', not 1\.2\.0rc1") as caught:
        build(staged, tmp_path / "out")
    assert "__version__" in caught.value.hint


def test_earlier_tools_can_be_asked_for(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", HATCHLING)
    staged = stamp(read_project(root), VERSION, tmp_path / "s")
    old = build(staged, tmp_path / "one", constraints=["hatchling==1.25.0"])
    assert "hatchling==1.25.0" in old.tools
    again = build(staged, tmp_path / "two", constraints=old.tools)
    assert digests(old.wheel, old.sdist) == digests(again.wheel, again.sdist)
    assert old.tools == again.tools
