"""Wheels as a layer: what an installer would have made of them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from estargz_reader import digest, open_layer
from uv import find_uv_bin
from wheel_maker import PYTHON, SITE, Maker, layer_of, line

from lapstrake.errors import UserError
from lapstrake.layers.fixed import FIXED_MTIME

TOOLS = "[console_scripts]\nhello = demo.cli:main\n[gui_scripts]\nshow = demo.cli:App.run [gui]\n"
CLI = b"""\
def main():
    print("hello")
    return 3

class App:
    @staticmethod
    def run():
        print("shown")
"""


def a_demo() -> Maker:
    return Maker(
        files={
            "demo/": b"",
            "demo/__init__.py": b"",
            "demo/cli.py": CLI,
            "demo/tool": b"#!/bin/sh\nexit 0\n",
            "demo/big.bin": b"0123456789abcdef" * 100_000,
            "demo-1.0.data/purelib/demo/pure.py": b"pure = 1\n",
            "demo-1.0.data/platlib/demo/plat.so": b"\x7fELF",
            "demo-1.0.data/headers/demo.h": b"#define DEMO 1\n",
            "demo-1.0.data/scripts/run-it": b"#!python -x\r\nprint('ran')\n",
            "demo-1.0.data/scripts/run-gui": b"#!pythonw\nprint('gui')\n",
            "demo-1.0.data/scripts/native": b"\x7fELF native",
            "demo-1.0.data/data/share/demo/data.txt": b"data\n",
        },
        entry_points=TOOLS,
        modes={"demo/tool": 0o100755, "demo/": 0o40755},
    )


def content(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {i.name: (tar.extractfile(i) or io.BytesIO()).read() for i in tar if i.isreg()}


def unpack(path: Path, into: Path) -> Path:
    """The layer as files; its environment."""
    into.mkdir()
    subprocess.run(["tar", "-xzpf", path, "-C", into, "--no-same-owner"], check=True)
    return into / "opt/venv"


def test_every_file_has_its_place(tmp_path: Path) -> None:
    layer_of([a_demo().write(tmp_path)], tmp_path / "layer")
    env = "opt/venv"
    assert set(content(tmp_path / "layer")) == {
        f"{SITE}/demo/__init__.py",
        f"{SITE}/demo/cli.py",
        f"{SITE}/demo/tool",
        f"{SITE}/demo/big.bin",
        f"{SITE}/demo/pure.py",
        f"{SITE}/demo/plat.so",
        f"{env}/include/site/python{PYTHON}/demo/demo.h",
        f"{env}/bin/run-it",
        f"{env}/bin/run-gui",
        f"{env}/bin/native",
        f"{env}/bin/hello",
        f"{env}/bin/show",
        f"{env}/share/demo/data.txt",
        f"{SITE}/demo-1.0.dist-info/METADATA",
        f"{SITE}/demo-1.0.dist-info/WHEEL",
        f"{SITE}/demo-1.0.dist-info/RECORD",
        f"{SITE}/demo-1.0.dist-info/INSTALLER",
        f"{SITE}/demo-1.0.dist-info/entry_points.txt",
        "stargz.index.json",
    }
    assert content(tmp_path / "layer")[f"{SITE}/demo-1.0.dist-info/INSTALLER"] == b"lapstrake\n"


def test_entries_are_sorted_below_explicit_folders(tmp_path: Path) -> None:
    layer_of([a_demo().write(tmp_path)], tmp_path / "layer")
    with tarfile.open(tmp_path / "layer") as tar:
        infos = tar.getmembers()[:-1]
    names = [i.name for i in infos]
    assert names == sorted(set(names))
    for info in infos:
        above = info.name.rpartition("/")[0]
        assert not above or names.index(above) < names.index(info.name)
        assert (info.uid, info.gid, info.uname, info.mtime) == (0, 0, "", FIXED_MTIME)
    programs = {i.name for i in infos if i.isreg() and i.mode == 0o755}
    bin_ = {f"opt/venv/bin/{n}" for n in ("hello", "show", "native", "run-it", "run-gui")}
    assert programs == bin_ | {f"{SITE}/demo/tool"}
    assert {i.mode for i in infos if i.name not in programs} == {0o755, 0o644}


def test_scripts_call_the_environment_s_python(tmp_path: Path) -> None:
    layer_of([a_demo().write(tmp_path)], tmp_path / "layer")
    found = content(tmp_path / "layer")
    assert found["opt/venv/bin/run-it"] == b"#!/opt/venv/bin/python\nprint('ran')\n"
    assert found["opt/venv/bin/run-gui"] == b"#!/opt/venv/bin/python\nprint('gui')\n"
    assert found["opt/venv/bin/native"] == b"\x7fELF native"
    assert found["opt/venv/bin/hello"].startswith(b"#!/opt/venv/bin/python\n")


def test_declared_scripts_run(tmp_path: Path) -> None:
    layer_of([a_demo().write(tmp_path)], tmp_path / "layer")
    env = unpack(tmp_path / "layer", tmp_path / "root")
    site = tmp_path / "root" / SITE

    def run(name: str) -> tuple[int, bytes]:
        done = subprocess.run(
            [sys.executable, env / "bin" / name],
            env={"PYTHONPATH": str(site)},
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout

    assert run("hello") == (3, b"hello\n")
    assert run("show") == (0, b"shown\n")


def test_record_names_every_file_as_installed(tmp_path: Path) -> None:
    layer_of([a_demo().write(tmp_path)], tmp_path / "layer")
    unpack(tmp_path / "layer", tmp_path / "root")
    site = tmp_path / "root" / SITE
    text = (site / "demo-1.0.dist-info/RECORD").read_text()
    rows = list(csv.reader(text.splitlines()))
    assert rows == sorted(rows)
    assert ["demo-1.0.dist-info/RECORD", "", ""] in rows
    on_disk = {p for p in (tmp_path / "root/opt").rglob("*") if p.is_file()}
    assert {Path(os.path.normpath(site / row[0])) for row in rows} == on_disk
    for name, told, size in rows:
        if told:
            data = (site / name).read_bytes()
            assert f"{name},{told},{size}\n" == line(name, data)


def test_importlib_metadata_sees_it(tmp_path: Path) -> None:
    layer_of([a_demo().write(tmp_path)], tmp_path / "layer")
    unpack(tmp_path / "layer", tmp_path / "root")
    script = (
        "import importlib.metadata as m, json; d = m.distribution('demo');"
        "print(json.dumps([d.version, d.read_text('INSTALLER'), [e.name for e in d.entry_points],"
        " all(f.locate().exists() for f in d.files)]))"
    )
    said = subprocess.check_output(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(tmp_path / "root" / SITE)}
    )
    assert json.loads(said) == ["1.0", "lapstrake\n", ["hello", "show"], True]


def test_a_lazy_puller_reads_the_wheel_s_own_bytes(tmp_path: Path) -> None:
    demo = a_demo()
    path = demo.write(tmp_path)
    blob = layer_of([path], tmp_path / "layer")
    layer = open_layer(tmp_path / "layer")
    assert blob.toc == digest(layer.toc)
    big = demo.files["demo/big.bin"]
    assert layer.read(f"{SITE}/demo/big.bin") == big
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("demo/big.bin")
        start = info.header_offset + 30 + len("demo/big.bin")
        packed = path.read_bytes()[start : start + info.compress_size]
    assert packed in (tmp_path / "layer").read_bytes()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_done_anew(tmp_path: Path, method: int) -> None:
    plain, other = a_demo(), a_demo()
    other.method = method
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    layer_of([plain.write(tmp_path / "one")], tmp_path / "one/layer")
    layer_of([other.write(tmp_path / "two")], tmp_path / "two/layer")
    one, two = (content(tmp_path / n / "layer") for n in ("one", "two"))
    assert one.pop("stargz.index.json") != two.pop("stargz.index.json")
    assert one == two


def test_zip64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = layer_of([a_demo().write(tmp_path)], tmp_path / "plain")
    (tmp_path / "64").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(zipfile, "ZIP64_LIMIT", 100)
        path = a_demo().write(tmp_path / "64")
    assert b"PK\x06\x06" in path.read_bytes()
    assert layer_of([path], tmp_path / "layer") == plain


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_stronger_hashes_become_sha256(tmp_path: Path, algorithm: str) -> None:
    demo = a_demo()
    demo.algorithm = algorithm
    layer_of([demo.write(tmp_path)], tmp_path / "layer")
    record = content(tmp_path / "layer")[f"{SITE}/demo-1.0.dist-info/RECORD"].decode()
    assert line("demo/cli.py", CLI) in record
    assert algorithm not in record


def test_signatures_need_no_line_and_get_one(tmp_path: Path) -> None:
    name = "demo-1.0.dist-info/RECORD.jws"
    demo = Maker(files={name: b"signed"}, lines={name: ""})
    layer_of([demo.write(tmp_path)], tmp_path / "layer")
    record = content(tmp_path / "layer")[f"{SITE}/demo-1.0.dist-info/RECORD"].decode()
    assert line(name, b"signed") in record


def test_of_two_wheels_the_last_by_name_has_a_shared_file(tmp_path: Path) -> None:
    shared = "space/__init__.py"
    one = Maker("aaa", files={shared: b"", "space/x.py": b"a"}, modes={"space/x.py": 0o100755})
    two = Maker("bbb", files={shared: b"", "space/x.py": b"b"})
    paths = [two.write(tmp_path), one.write(tmp_path)]
    blob = layer_of(paths, tmp_path / "layer")
    assert layer_of(reversed(paths), tmp_path / "again") == blob
    assert content(tmp_path / "layer")[f"{SITE}/space/x.py"] == b"b"
    with tarfile.open(tmp_path / "layer") as tar:
        names = tar.getnames()
        assert len(names) == len(set(names))
        assert tar.getmember(f"{SITE}/space/x.py").mode == 0o644


def test_a_file_that_gives_way_is_checked_all_the_same(tmp_path: Path) -> None:
    one = Maker("aaa", files={"x.py": b"a"}, lines={"x.py": line("x.py", b"z")})
    with pytest.raises(UserError, match=r"aaa.*x\.py.*RECORD"):
        layer_of(
            [one.write(tmp_path), Maker("bbb", files={"x.py": b"b"}).write(tmp_path)],
            tmp_path / "layer",
        )


def test_an_entry_point_goes_before_a_script_of_its_name(tmp_path: Path) -> None:
    demo = Maker(
        files={"demo-1.0.data/scripts/hello": b"#!python\nold\n", "demo.py": b""},
        entry_points="[console_scripts]\nhello = demo:main\n",
    )
    layer_of([demo.write(tmp_path)], tmp_path / "layer")
    assert b"from demo import main" in content(tmp_path / "layer")["opt/venv/bin/hello"]


def test_names_are_compared_normalised(tmp_path: Path) -> None:
    layer_of([Maker("Zope_Interface").write(tmp_path)], tmp_path / "layer")
    found = content(tmp_path / "layer")
    assert f"{SITE}/Zope_Interface-1.0.dist-info/METADATA" in found


def test_the_same_bytes_each_time_and_beside_others(tmp_path: Path) -> None:
    paths = [
        a_demo().write(tmp_path),
        Maker("other", files={f"o/{n}": bytes([n]) * n for n in range(200)}).write(tmp_path),
    ]
    once = layer_of(paths, tmp_path / "once")
    with ThreadPoolExecutor(4) as pool:
        rest = list(pool.map(lambda n: layer_of(paths, tmp_path / f"layer{n}"), range(4)))
    assert rest == [once] * 4
    assert digest((tmp_path / "layer3").read_bytes()) == once.digest


PEAK = """
import sys, tracemalloc
from pathlib import Path
sys.path[:0] = [sys.argv[3]]
from wheel_maker import layer_of
tracemalloc.start()
layer_of([Path(sys.argv[1])], Path(sys.argv[2]))
print(tracemalloc.get_traced_memory()[1])
"""


def test_a_large_wheel_costs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    peaks = []
    # the small one, too, fills whatever stands between the threads
    for size in (64 << 20, 256 << 20):
        half = hashlib.shake_128(b"x").digest(size // 2)
        path = Maker(files={"demo/big.so": half + bytes(size // 2)}).write(tmp_path)
        del half
        said = subprocess.check_output(
            [sys.executable, "-c", PEAK, path, tmp_path / "layer", Path(__file__).parent]
        )
        peaks.append(int(said))
    assert peaks[1] < 1.3 * peaks[0]
    assert peaks[1] < 32 << 20


UV = find_uv_bin()
PIP = [UV, "tool", "run", "-q", "pip"]
REAL = ["pip", "greenlet", "uvicorn", "click", "h11", "zope.interface", "jmespath", "six"]


@pytest.fixture(scope="module")
def real_wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Wheels from the index that uv is set to: headers, scripts, namespaces, entry points."""
    folder = tmp_path_factory.mktemp("wheels")
    tags = ["--python-version", PYTHON, "--platform", "manylinux_2_28_x86_64"]
    tags += ["--platform", "manylinux_2_17_x86_64", "--platform", "manylinux2014_x86_64"]
    command = [*PIP, "download", "-q", "--only-binary", ":all:", "-d", str(folder)]
    subprocess.run([*command, *tags, *REAL], check=True, capture_output=True)
    return sorted(folder.glob("*.whl"))


def a_venv(path: Path) -> str:
    command = [UV, "venv", "-q", "--python", sys.executable, str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return str(path / "bin/python")


@pytest.mark.network
def test_pip_sees_real_wheels(tmp_path: Path, real_wheels: list[Path]) -> None:
    python = a_venv(tmp_path / "venv")
    layer_of(real_wheels, tmp_path / "layer")
    env = unpack(tmp_path / "layer", tmp_path / "root")
    shutil.copytree(env, tmp_path / "venv", dirs_exist_ok=True)
    listed = json.loads(subprocess.check_output([python, "-m", "pip", "list", "--format=json"]))
    assert {d["name"].replace(".", "-") for d in listed} >= {n.replace(".", "-") for n in REAL}
    assert len(listed) == len(real_wheels)
    said = subprocess.check_output([python, "-m", "pip", "check"], text=True)
    assert "No broken requirements found" in said
    subprocess.run([python, "-c", "import greenlet, zope.interface, uvicorn, six"], check=True)
    shown = subprocess.check_output([python, tmp_path / "venv/bin/uvicorn", "--version"], text=True)
    assert shown.startswith("Running uvicorn")
    removed = [python, "-m", "pip", "uninstall", "-q", "-y", "greenlet", "jmespath"]
    subprocess.run(removed, check=True, capture_output=True)
    assert not list((tmp_path / "venv").rglob("*greenlet*"))
    assert not list((tmp_path / "venv").rglob("jp.py"))


@pytest.mark.network
def test_real_wheels_lie_where_pip_puts_them(tmp_path: Path, real_wheels: list[Path]) -> None:
    python = a_venv(tmp_path / "venv")
    bare = {p.relative_to(tmp_path / "venv") for p in (tmp_path / "venv").rglob("*")}
    layer_of(real_wheels, tmp_path / "layer")
    ours = unpack(tmp_path / "layer", tmp_path / "root")
    command = [*PIP, "--python", python, "install", "-q", "--no-index", "--no-deps"]
    subprocess.run([*command, "--no-compile", *real_wheels], check=True, capture_output=True)

    def modes(env: Path) -> dict[str, int]:
        found = {}
        for path in env.rglob("*"):
            name = path.relative_to(env)
            made_anew = path.name in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
            if path.is_file() and name not in bare and not made_anew:
                found[str(name)] = stat.S_IMODE(path.stat().st_mode)
        return found

    theirs = modes(tmp_path / "venv")
    theirs.pop(f"bin/pip{PYTHON}", None)  # pip makes it for pip alone, from no wheel's declaration
    assert modes(ours) == theirs
    for name in theirs:
        if not name.startswith("bin/"):
            assert (ours / name).read_bytes() == (tmp_path / "venv" / name).read_bytes()
