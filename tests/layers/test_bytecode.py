"""Compiled modules: which of a wheel's are, and how they get into a layer."""

from __future__ import annotations

import importlib.util
import io
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from wheel_maker import PYTHON, SITE, Maker

from lapstrake.errors import UserError
from lapstrake.guest.bytecode import compile_pack, packed, read_pack
from lapstrake.layers.bytecode import write_compiled, write_sources
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.kinds import Wheels
from lapstrake.layers.wheels_layer import write_wheels
from lapstrake.lock.model import Wheel

TAG = sys.implementation.cache_tag
MODULE = b"def said():\n    return 'as compiled'\n"


def demo() -> Maker:
    return Maker(
        files={
            "demo/__init__.py": MODULE,
            "demo/tests/test_demo.py": b"import demo\n",
            "demo/tests.py": b"x = 1\n",
            "demo/template.py": b"def {{ name }}: pass\n",
            "demo/data.txt": b"x",
            "demo-1.0.data/purelib/pure.py": b"y = 1\n",
            "demo-1.0.data/data/share/demo.py": b"z = 1\n",
            "demo-1.0.data/scripts/run.py": b"#!python\n",
        }
    )


def compiled(wheel: Path, folder: Path, name: str = "demo") -> Path:
    """What the cache would have of a wheel, by the tests' own Python."""
    write_sources(wheel, name, PYTHON, folder / "sources")
    compile_pack(str(folder / "sources"), str(folder / "pack"))
    write_compiled(folder / "pack", folder / f"{name}.zip")
    return folder / f"{name}.zip"


def written(wheel: Path, bytecode: Path, out: Path) -> dict[str, bytes]:
    locked = Wheel(name="demo", version="1.0", filename=wheel.name, sha256="0" * 64, size=1)
    layer = Wheels("test", PYTHON, "2.36", (locked,))
    write_wheels(layer, {"demo": wheel}, out, None, {"demo": bytecode})
    with tarfile.open(out) as tar:
        return {i.name: (tar.extractfile(i) or io.BytesIO()).read() for i in tar if i.isreg()}


def times(layer: Path) -> dict[str, int]:
    with tarfile.open(layer) as tar:
        return {i.name: int(i.mtime) for i in tar}


def test_a_pack_is_read_as_it_was_written() -> None:
    entries = [("a/b.py", 1, b"x"), ("empty.py", 0, b""), ("ümlaut\udcff.py", 2**32 - 1, b"\0\xff")]
    assert read_pack(b"".join(packed(*entry) for entry in entries)) == entries


def test_modules_of_packages_are_compiled_but_not_their_tests(tmp_path: Path) -> None:
    with zipfile.ZipFile(compiled(demo().write(tmp_path), tmp_path)) as archive:
        assert archive.namelist() == [
            f"{SITE}/__pycache__/pure.{TAG}.pyc",
            f"{SITE}/demo/__pycache__/__init__.{TAG}.pyc",
            f"{SITE}/demo/__pycache__/tests.{TAG}.pyc",
        ]


def test_a_layer_has_them_beside_their_modules(tmp_path: Path) -> None:
    wheel = demo().write(tmp_path)
    found = written(wheel, compiled(wheel, tmp_path), tmp_path / "layer")
    pyc = found[f"{SITE}/demo/__pycache__/__init__.{TAG}.pyc"]
    mtime = times(tmp_path / "layer")[f"{SITE}/demo/__init__.py"]
    assert pyc[:4] == importlib.util.MAGIC_NUMBER
    assert struct.unpack("<III", pyc[4:16]) == (0, mtime, len(MODULE))
    assert f"{SITE}/demo/tests/test_demo.py" in found
    assert len([path for path in found if path.endswith(".pyc")]) == 3
    # pip finds the compiled beside its modules by itself: RECORD is the wheel's own
    assert b".pyc" not in found[f"{SITE}/demo-1.0.dist-info/RECORD"]


def test_python_runs_what_was_compiled_until_somebody_edits_the_module(tmp_path: Path) -> None:
    wheel = Maker(files={"demo/__init__.py": MODULE}).write(tmp_path)
    written(wheel, compiled(wheel, tmp_path), tmp_path / "layer")
    (tmp_path / "root").mkdir()
    subprocess.run(["tar", "-xzf", tmp_path / "layer", "-C", tmp_path / "root"], check=True)
    site = tmp_path / "root" / SITE
    env = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}

    def run() -> str:
        code = "import demo; print(demo.said(), demo.said.__code__.co_filename)"
        args = [sys.executable, "-c", code]
        said = subprocess.run(args, env=env, capture_output=True, text=True, check=True)
        return said.stdout.strip()

    assert run() == f"as compiled {site}/demo/__init__.py"
    pyc = site / f"demo/__pycache__/__init__.{TAG}.pyc"
    # the compiled one it is: with another constant in it, that is what is said
    pyc.chmod(0o644)
    pyc.write_bytes(pyc.read_bytes().replace(b"as compiled", b"as patched!"))
    assert run().startswith("as patched!")
    (site / "demo/__init__.py").write_bytes(MODULE.replace(b"as compiled", b"as edited.."))
    assert run().startswith("as edited..")
    # what a layer of the repository's own files would put there, of the same size
    os.utime(site / "demo/__init__.py", (FIXED_MTIME, FIXED_MTIME))
    assert run().startswith("as edited..")


def test_a_module_s_time_tells_its_content(tmp_path: Path) -> None:
    """So that no compiled module passes for that of another version of the same size."""
    found = []
    for number, text in enumerate((b"x = 1\n", b"x = 2\n", b"x = 1\n")):
        folder = tmp_path / str(number)
        folder.mkdir()
        wheel = Maker(files={"demo/__init__.py": text}).write(folder)
        written(wheel, compiled(wheel, folder), folder / "layer")
        found.append(times(folder / "layer"))
    ours = [f[f"{SITE}/demo/__init__.py"] for f in found]
    assert ours[0] == ours[2] != ours[1]
    assert all(FIXED_MTIME < mtime < 2**30 for mtime in ours)
    others = {m for f in found for path, m in f.items() if path.startswith("opt/")} - set(ours)
    assert others == {FIXED_MTIME}


def test_a_wheel_s_own_compiled_module_stays(tmp_path: Path) -> None:
    own = f"demo/__pycache__/__init__.{TAG}.pyc"
    wheel = Maker(files={"demo/__init__.py": MODULE, own: b"its own"}).write(tmp_path)
    found = written(wheel, compiled(wheel, tmp_path), tmp_path / "layer")
    assert found[f"{SITE}/{own}"] == b"its own"


@pytest.mark.parametrize("path", ["etc/passwd", f"{SITE}/other/__pycache__/x.{TAG}.pyc"])
def test_what_belongs_to_no_module_is_left_out(path: str, tmp_path: Path) -> None:
    wheel = demo().write(tmp_path)
    (tmp_path / "pack").write_bytes(packed(path, 1, b"planted"))
    write_compiled(tmp_path / "pack", tmp_path / "zip")
    assert b"planted" not in written(wheel, tmp_path / "zip", tmp_path / "layer").values()


def test_a_flipped_bit_in_the_cache_is_found(tmp_path: Path) -> None:
    wheel = demo().write(tmp_path)
    place = compiled(wheel, tmp_path)
    data = bytearray(place.read_bytes())
    data[data.index(b"as compiled")] ^= 1
    place.write_bytes(data)
    with pytest.raises(UserError, match="CRC-32"):
        written(wheel, place, tmp_path / "layer")


def test_a_wheel_without_modules_has_an_archive_too(tmp_path: Path) -> None:
    wheel = Maker(files={"demo/data.txt": b"x"}).write(tmp_path)
    found = written(wheel, compiled(wheel, tmp_path), tmp_path / "layer")
    assert f"{SITE}/demo/data.txt" in found
