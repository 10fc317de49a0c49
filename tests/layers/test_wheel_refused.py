"""Wheels that must not be installed: one line that says which and why, and nothing written."""

from __future__ import annotations

import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from estargz_reader import digest, open_layer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wheel_maker import SITE, Maker, layer_of, line

from lapstrake.errors import UserError
from lapstrake.layers import wheel_record
from lapstrake.layers.wheel_scripts import entry_point_scripts

TAG = "Tag: py3-none-any\n"
SCRIPTS = "[console_scripts]\n"
X = {"x.py": b"x"}

RULES = [
    (Maker(files={"../evil.py": b""}), "leads out of the wheel: '../evil.py'"),
    (Maker(files={"demo-1.0.data/data/../../../x": b""}), "leads out of the wheel"),
    (Maker(files={"/etc/passwd": b""}), "is absolute: '/etc/passwd'"),
    (Maker(files={"C:/x": b""}), "is absolute"),
    (Maker(files={"c:x": b""}), "is absolute"),
    (Maker(files={"demo\\x.py": b""}), "holds a backslash"),
    (Maker(files={"demo//x.py": b""}), "has an empty part"),
    (Maker(files={"./x.py": b""}), "has an empty part"),
    (Maker(files={"x" * 256: b""}), "is too long"),
    (Maker(files={"x": b"/etc"}, modes={"x": 0o120777}), "'x' is neither a file nor a folder"),
    (Maker(files={"x": b""}, modes={"x": 0o010644}), "'x' is neither a file nor a folder"),
    (Maker(files={"a-1.dist-info/METADATA": b""}), "2 .dist-info folders"),
    (Maker(wheel=TAG), "no Wheel-Version"),
    (Maker(wheel=f"Wheel-Version: one\n{TAG}"), "no Wheel-Version"),
    (Maker(wheel=f"Wheel-Version: 2.0\n{TAG}"), "2.0 is newer than 1.x"),
    (Maker(files=X, lines={"x.py": ""}), "'x.py' is missing from its RECORD"),
    (Maker(files=X, lines={"x.py": "x.py,,1\n"}), "'x.py' has no hash"),
    (Maker(files=X, lines={"x.py": line("x.py", b"z")}), "x.py: its SHA-256 is not the recorded"),
    (Maker(files=X, lines={"x.py": line("x.py", b"x", "md5")}), "not allowed: 'md5'"),
    (Maker(files=X, lines={"x.py": line("x.py", b"z", "sha512")}), "its hash is not that of"),
    (Maker(files=X, lines={"x.py": line("x.py", b"xx")}), "x.py: its size is not that of"),
    (Maker(files=X, lines={"x.py": "x.py,sha256=!!,1\n"}), "no base64"),
    (Maker(files=X, lines={"x.py": "x.py,sha256=abcd,1\n"}), "a hash of 3 bytes"),
    (Maker(files=X, lines={"x.py": "x.py\n"}), "1 fields instead of 3"),
    (Maker(files=X, lines={"x.py": "x.py,,-1\n"}), "no number"),
    (Maker(files={"demo-1.0.data/stdlib/x.py": b""}), "no place in an environment"),
    (Maker(files={"demo-1.0.data/x.py": b""}), "no place in an environment"),
    (Maker(entry_points=f"{SCRIPTS}run = demo\n"), "no module:function"),
    (Maker(entry_points=f"{SCRIPTS}run = demo:a; import os\n"), "no module:function"),
    (Maker(entry_points=f"{SCRIPTS}../run = demo:main\n"), "no name of a script"),
    (Maker(entry_points="run = demo:main\n"), "entry_points.txt"),
    (Maker(files={"demo": b"", "demo-1.0.data/purelib/demo/x": b""}), "and a folder elsewhere"),
]


def refused(path: Path, out: Path) -> UserError:
    """The error, where the layer of a wheel is refused."""
    with pytest.raises(UserError) as caught:
        layer_of([path], out)
    error = caught.value
    assert path.name in error.message
    assert "\n" not in error.message
    assert error.hint
    assert not list(out.parent.glob(f"*{out.name}*")), "nothing half-written"
    return error


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(("maker", "words"), RULES, ids=[words for _, words in RULES])
def test_a_wheel_that_breaks_the_rules(tmp_path: Path, maker: Maker, words: str) -> None:
    assert words in refused(maker.write(tmp_path), tmp_path / "layer").message


@pytest.mark.parametrize("missing", ["METADATA", "WHEEL", "RECORD"])
def test_a_wheel_without_its_descriptions(tmp_path: Path, missing: str) -> None:
    members = Maker().members()
    del members[f"demo-1.0.dist-info/{missing}"]
    path = zip_of(tmp_path / "demo-1.0-py3-none-any.whl", members)
    assert f"it has no demo-1.0.dist-info/{missing}" in refused(path, tmp_path / "layer").message


def test_a_zip_that_is_no_wheel(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "demo-1.0-py3-none-any.whl", X)
    assert "0 .dist-info folders" in refused(path, tmp_path / "layer").message


def test_another_wheel_under_a_wheel_s_name(tmp_path: Path) -> None:
    path = Maker("other").write(tmp_path).rename(tmp_path / "demo-1.0-py3-none-any.whl")
    assert "it is 'other', not 'demo'" in refused(path, tmp_path / "layer").message


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all" * 100, bytes(70000)])
def test_no_zip(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(data)
    assert "it is" in refused(path, tmp_path / "layer").message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path: Path) -> None:
    path = Maker(files=X).write(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x.py", b"x")
    assert "two members called 'x.py'" in refused(path, tmp_path / "layer").message


def patched(path: Path, name: str, at: int, value: bytes) -> Path:
    """The wheel with bytes of a member's entry in the central directory replaced."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    data[entry + at : entry + at + len(value)] = value
    path.write_bytes(data)
    return path


DIRECTORY = {
    "is encrypted": (8, b"\x01\x00"),
    "compressed by method 9": (10, b"\x09\x00"),
    "its CRC-32 differs": (16, b"\0\0\0\0"),
    "overlaps what comes after": (20, struct.pack("<I", 1 << 20)),
    "its compressed data ends early": (20, struct.pack("<I", 1)),
    "it is longer than the 0 bytes": (24, struct.pack("<I", 0)),
    "no intact zip": (42, struct.pack("<I", 1 << 30)),
}


@pytest.mark.parametrize("words", DIRECTORY)
def test_a_directory_that_lies(tmp_path: Path, words: str) -> None:
    maker = Maker(files={"a.py": b"a", "x.py": b"some text, some text", "z.py": b""})
    # RECORD leaves the size open, so that it is the zip's own word that is doubted.
    maker.lines = {"x.py": line("x.py", maker.files["x.py"]).rpartition(",")[0] + ",\n"}
    path = patched(maker.write(tmp_path), "x.py", *DIRECTORY[words])
    assert words in refused(path, tmp_path / "layer").message


def test_a_directory_that_tells_another_name(tmp_path: Path) -> None:
    path = Maker(files=X).write(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"x.py", b"y.py", 1))
    assert "its directory is wrong about 'x.py'" in refused(path, tmp_path / "layer").message


def test_a_message_stays_one_line_whatever_a_member_is_called(tmp_path: Path) -> None:
    name = "a\nb\x1b[2J.py"
    path = Maker(files={name: b"x"}, lines={name: line('"a\nb\x1b[2J.py"', b"y")}).write(tmp_path)
    assert r"a\nb\x1b[2J.py: its SHA-256" in refused(path, tmp_path / "layer").message


def test_a_nul_in_a_name(tmp_path: Path) -> None:
    path = Maker(files={"ab.py": b""}).write(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"ab.py", b"a\0.py"))
    assert "holds a NUL" in refused(path, tmp_path / "layer").message


def test_a_description_that_would_fill_the_memory(tmp_path: Path) -> None:
    members = Maker().members()
    members["demo-1.0.dist-info/WHEEL"] = bytes(65 << 20)
    path = zip_of(tmp_path / "demo-1.0-py3-none-any.whl", members)
    assert "at most" in refused(path, tmp_path / "layer").message


def a_wheel(folder: Path) -> Path:
    files = {
        "demo/__init__.py": b"x = 1\n" * 50,
        "demo/data.bin": bytes(range(256)) * 8,
        "demo-1.0.data/scripts/run": b"#!python\nprint(1)\n",
    }
    return Maker(files=files, entry_points="[console_scripts]\ngo = demo:x\n").write(folder)


@settings(
    max_examples=1000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_mangled_wheel_is_refused_or_whole(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is flipped, cut or put in: an error for the user, or a sound layer."""
    path = a_wheel(tmp_path)
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    length = data.draw(st.sampled_from([0, 1, 2, 4, 60]))
    new = data.draw(st.binary(max_size=8))
    cut = data.draw(st.sampled_from([None, None, None, at]))
    path.write_bytes((good[:at] + new + good[at + length :])[:cut])
    out = tmp_path / "layer"
    try:
        blob = layer_of([path], out)
    except UserError:
        assert not out.exists()
        return
    layer = open_layer(out)
    assert blob.digest == digest(layer.blob)
    assert blob.toc == digest(layer.toc)
    with tarfile.open(out) as tar:
        for info in tar.getmembers()[:-1]:
            assert info.name == "opt" or info.name.startswith("opt/venv")
            assert ".." not in info.name.split("/")
            assert info.isreg() or info.isdir()
            if info.isreg():
                layer.read(info.name)
    out.unlink()


NAMES = st.lists(
    st.sampled_from(["..", ".", "", "a", "b.py", "\\", "C:", "~", "-", "demo-1.0.data", "data"])
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), max_size=3),
    min_size=1,
    max_size=5,
).map("/".join)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=NAMES.filter(bool))
def test_no_name_leaves_the_environment(tmp_path: Path, name: str) -> None:
    record = {name: f"{line('@', b'x').replace('@', _quoted(name))}"}
    path = Maker(files={name: b"x"}, lines=record).write(tmp_path)
    out = tmp_path / "layer"
    try:
        layer_of([path], out)
    except UserError:
        assert not out.exists()
        return
    with tarfile.open(out) as tar:
        for inside in tar.getnames()[:-1]:
            assert inside == "opt" or inside.startswith("opt/venv")
            assert not {"..", ".", ""} & set(inside.split("/"))
    out.unlink()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_record_with_names_that_need_quotes() -> None:
    name = 'odd, "name"\n.py'
    files = [wheel_record.Installed(name, "ab" * 32, 3)]
    text = wheel_record.write("d.dist-info/RECORD", files)
    read = wheel_record.parse(text)
    assert read[name] == wheel_record.Recorded("sha256", "ab" * 32, 3)
    assert read["d.dist-info/RECORD"] == wheel_record.Recorded("", "", None)


def test_entry_points_keep_case_and_take_odd_values() -> None:
    text = (
        b"[console_scripts]\nRun.Me-2 = pkg.mod : obj.attr [extra]\nrun = a:b\n[other]\nx = %(y)\n"
    )
    scripts = dict(entry_point_scripts(text, "/p"))
    assert list(scripts) == ["Run.Me-2", "run"]
    assert b"from pkg.mod import obj\n" in scripts["Run.Me-2"]
    assert b"sys.exit(obj.attr())" in scripts["Run.Me-2"]


def test_names_in_the_layer_are_those_of_the_wheel(tmp_path: Path) -> None:
    name = "grüße/日本語.py"
    layer_of([Maker(files={name: b"x"}).write(tmp_path)], tmp_path / "layer")
    assert open_layer(tmp_path / "layer").read(f"{SITE}/{name}") == b"x"
