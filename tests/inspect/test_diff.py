"""`lapstrake diff` of builds, folders and references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inspect_hand_made import entry, layout, one_member, tar_of, two_members

from lapstrake import skopeo
from lapstrake.errors import UserError
from lapstrake.store.store import Store
from support.registry import serve_registry
from support.tinyimages import built, image

Command = Callable[..., tuple[int, str]]
Answer = Callable[..., Any]

SITE = "opt/venv/lib/python3.11/site-packages"


def metadata(name: str, version: str) -> tuple[Any, bytes]:
    return entry(f"{SITE}/{name}-{version}.dist-info/METADATA", b"Name: x\n")


def status(**packages: str) -> tuple[Any, bytes]:
    text = "\n".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: {version}\n"
        for name, version in packages.items()
    )
    removed = "\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    return entry("var/lib/dpkg/status", (text + removed).encode())


def test_two_builds_of_the_same_are_equal(tmp_path: Path, store: Store, lapstrake: Command) -> None:
    for name in ("one", "two"):
        built(tmp_path / name, store, image("a", "x", "y"), image("b", "x"))
    code, out = lapstrake("diff", "one", "two", "--exit-code")
    assert code == 0
    assert out.endswith("one and two are equal: 2 images\n")
    assert lapstrake("diff", "one:a", "two:a", "--exit-code")[0] == 0


def test_the_exit_code_tells_only_when_asked(
    tmp_path: Path, store: Store, lapstrake: Command
) -> None:
    built(tmp_path / "dist", store, image("a", "x", "y"), image("b", "x"))
    code, out = lapstrake("diff", "a", "b")
    assert code == 0
    assert "1 layers shared" in out
    assert "layer file y: only in A" in out
    assert lapstrake("diff", "a", "b", "--exit-code")[0] == 1


def test_bytes_are_counted_by_distinct_layer(tmp_path: Path, store: Store, answer: Answer) -> None:
    build = built(tmp_path / "dist", store, image("a", "x", "y", "z"), image("b", "x", "w"))
    size = {x.title: x.size for i in build.images for x in i.layers}
    (found,) = answer("diff", "a", "b")["images"]
    assert found["bytes"] == {
        "shared": {"size": size["file x"], "layers": 1},
        "only_a": {"size": size["file y"] + size["file z"], "layers": 2},
        "only_b": {"size": size["file w"], "layers": 1},
    }


def test_images_that_one_build_lacks(tmp_path: Path, store: Store, lapstrake: Command) -> None:
    built(tmp_path / "one", store, image("a", "x"), image("b", "x"))
    built(tmp_path / "two", store, image("a", "x"))
    code, out = lapstrake("diff", "one", "two", "--exit-code")
    assert code == 1
    assert "b: only in one" in out


def test_config_fields(tmp_path: Path, store: Store, answer: Answer) -> None:
    plan = image("a", "x")
    config = replace(plan.config, env=(("A", "other"), ("PATH", "/bin")), workdir="/tmp")
    built(tmp_path / "one", store, plan)
    built(tmp_path / "two", store, replace(plan, config=config))
    (found,) = answer("diff", "one:a", "two:a")["images"]
    assert {d["field"]: (d["a"], d["b"]) for d in found["config"]} == {
        "config.Env.A": ('quote " and\nnewline', "other"),
        "config.WorkingDir": ("/srv", "/tmp"),
    }
    assert found["packages"] == found["layers"] == []


def test_packages(tmp_path: Path, answer: Answer) -> None:
    base = one_member(tar_of(status(bash="5.1", zlib="1"), metadata("numpy", "1.0")))
    more = one_member(
        tar_of(
            metadata("Big_Lib", "2.0"),
            metadata("pandas", "2.0"),
            entry("opt/setuptools/_vendor/wheel-1.dist-info/METADATA"),
            entry("usr/lib/python3/dist-packages/six-1.dist-info/METADATA"),
        )
    )
    newer = one_member(
        tar_of(
            status(bash="5.2", curl="8"),
            metadata("numpy", "1.1"),
            entry(f"{SITE}/.wh.numpy-1.0.dist-info"),
            metadata("Big_Lib", "2.0"),
        )
    )
    layout(tmp_path / "one", "a", [base, more])
    layout(tmp_path / "two", "a", [base, newer])
    (found,) = answer("diff", "one:a", "two:a")["images"]
    changes = {(c["system"], c["name"]): (c["a"], c["b"]) for c in found["packages"]}
    assert changes == {
        ("debian", "bash"): ("5.1", "5.2"),
        ("debian", "curl"): ("", "8"),
        ("debian", "zlib"): ("1", ""),
        ("python", "numpy"): ("1.0", "1.1"),
        ("python", "pandas"): ("2.0", ""),
    }


def test_the_one_field_of_the_one_file_in_the_one_layer(tmp_path: Path, answer: Answer) -> None:
    base = one_member(tar_of(entry("etc/same")))
    ours, theirs = (
        one_member(tar_of(entry("etc/x", b"data", mode=mode), entry("etc/y")))
        for mode in (420, 384)
    )
    layout(tmp_path / "one", "a", [base, ours])
    layout(tmp_path / "two", "a", [base, theirs])
    (found,) = answer("diff", "one:a", "two:a")["images"]
    (changed,) = found["layers"]
    assert changed["number"] == 2
    assert changed["differences"] == [{"path": "etc/x", "field": "mode", "a": "0644", "b": "0600"}]


def test_layers_of_one_id_that_differ_are_called_out(
    tmp_path: Path, store: Store, lapstrake: Command
) -> None:
    """What a build that isn't reproducible looks like: the same inputs gave other bytes."""
    build = built(tmp_path / "one", store, image("a", "x"))
    old = build.images[0].layers[0].digest
    repacked = two_members(tar_of(entry("srv/x", b"x", mode=0o644, mtime=315532800)))
    layout(tmp_path / "two", "a", [repacked])
    text = (tmp_path / "one" / "build.json").read_text()
    new = next(
        p.name for p in (tmp_path / "two/blobs/sha256").iterdir() if p.read_bytes() == repacked
    )
    (tmp_path / "two" / "build.json").write_text(text.replace(old, f"sha256:{new}"))
    out = lapstrake("diff", "one:a", "two:a")[1]
    assert "layer 1 file x: same inputs, other bytes" in out


def test_a_reference_in_a_registry(tmp_path: Path, store: Store, lapstrake: Command) -> None:
    built(tmp_path / "dist", store, image("a", "x", "y"))
    with serve_registry(tmp_path / "registry") as host:
        target = f"docker://{host}/fam:1"
        skopeo.copy(f"oci:{tmp_path}/dist:a", target, ["--dest-tls-verify=false"])
        code, out = lapstrake("diff", "a", f"{host}/fam:1", "--exit-code")
        assert (code, "equal" in out) == (0, True)
        built(tmp_path / "dist", store, image("a", "x", "z"))
        code, out = lapstrake("diff", f"{host}/fam:1", "a", "--exit-code")
        assert code == 1
        assert "srv/y: only in A" in out
        assert "srv/z: only in B" in out
        with pytest.raises(UserError, match=f"{host}/fam:2"):
            lapstrake("diff", f"{host}/fam:2", "a")


@pytest.mark.parametrize(
    ("word", "said"),
    [("nobody", "nobody is not in"), ("dist:nobody", "nobody is not in dist"), ("dist", "whole")],
)
def test_what_is_not_there(
    tmp_path: Path, store: Store, lapstrake: Command, word: str, said: str
) -> None:
    built(tmp_path / "dist", store, image("a", "x"))
    with pytest.raises(UserError, match=said):
        lapstrake("diff", "a", word)
