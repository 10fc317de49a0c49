from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lapstrake.definition.load import load
from lapstrake.errors import UserError
from lapstrake.fetch.uv import Target, Uv
from lapstrake.lock.demand import demands
from lapstrake.lock.model import Resolution
from lapstrake.lock.wheels import Upgrade, resolve
from support.tiny import sdist, serve, sha256, wheel

Write = Callable[..., Path]

TARGET = Target("3.11.2", "2.36", "linux/amd64")
BASE = {
    "lapstrake.yaml": "name: fam\n",
    "images/base/image.yaml": "root: {suite: bookworm}\n",
}


def lines(*requirements: str) -> str:
    return "python:\n  requirements:\n" + "".join(f"    - {r}\n" for r in requirements)


def family(write: Write, family: str = "", **images: str) -> Path:
    """A repository with images (`slim`) and runtimes (the rest)."""
    files = dict(BASE)
    files["lapstrake.yaml"] += family
    for name, text in images.items():
        kind = "image" if name in {"slim", "full"} else "runtime"
        parent = "extends: base\n" if name == "slim" else ""
        parent = "extends: slim\n" if name == "full" else parent
        files[f"{kind}s/{name}/{kind}.yaml"] = f"{parent}{text}"
    files.setdefault("images/slim/image.yaml", "extends: base\n")
    return write(files)


def locked(
    root: Path,
    old: dict[str, Resolution] | None = None,
    upgrade: Upgrade = (),
    target: Target = TARGET,
) -> dict[str, Resolution]:
    return {
        d.name: resolve(d, (old or {}).get(d.name), upgrade, Uv(target), lambda _: None)
        for d in demands(load(root))
    }


def versions(resolution: Resolution) -> dict[str, str]:
    return {w.name: w.version for w in resolution.wheels}


def test_one_resolution_and_what_each_image_needs_of_it(write: Write, links: Path) -> None:
    wheel(links, "serve", "1.0", ["util"])
    wheel(links, "util", "1.0")
    wheel(links, "trees", "1.0", ["util", "fast>=1; extra == 'fast'"], extras=["fast"])
    wheel(links, "fast", "1.2", ["only_windows; sys_platform == 'win32'"])
    wheel(links, "fast", "0.9")
    wheel(links, "plain", "1.0", ["trees"])
    root = family(
        write, slim=lines("serve"), forest=lines("trees[fast]"), plain=lines("plain"),
        full="runtimes: all\n",
    )  # fmt: skip
    found = locked(root)["family"]
    assert versions(found) == {
        "fast": "1.2", "plain": "1.0", "serve": "1.0", "trees": "1.0", "util": "1.0",
    }  # fmt: skip
    assert found.closures == {
        "base": (),
        "forest": ("fast", "serve", "trees", "util"),
        "full": ("fast", "plain", "serve", "trees", "util"),
        "plain": ("plain", "serve", "trees", "util"),
        "slim": ("serve", "util"),
    }
    assert (found.python, found.glibc, found.build) == ("3.11", "2.36", ())
    for item in found.wheels:
        file = links / item.filename
        assert (item.sha256, item.size) == (sha256(file), file.stat().st_size)


def test_constraints_of_the_family_and_of_an_image_hold_for_all(write: Write, links: Path) -> None:
    for name in ("aa", "bb", "cc"):
        for version in ("1.0", "2.0"):
            wheel(links, name, version, ["cc"] if name != "cc" else [])
    text = lines("bb") + "  constraints: [cc<2]\n"
    root = family(write, "python: {constraints: [aa<2]}\n", one=lines("aa"), two=text)
    assert versions(locked(root)["family"]) == {"aa": "1.0", "bb": "2.0", "cc": "1.0"}


def test_overrides_replace_what_packages_ask_for(write: Write, links: Path) -> None:
    wheel(links, "aa", "1.0", ["bb<2"])
    wheel(links, "bb", "1.0", ["gone"])
    wheel(links, "bb", "2.0", ["cc"])
    wheel(links, "cc", "1.0")
    root = family(write, "python: {overrides: [bb>=2]}\n", one=lines("aa"))
    found = locked(root)["family"]
    assert versions(found) == {"aa": "1.0", "bb": "2.0", "cc": "1.0"}
    assert found.closures["one"] == ("aa", "bb", "cc")


def test_a_runtime_apart_has_versions_of_its_own(write: Write, links: Path) -> None:
    wheel(links, "serve", "1.0", ["num"])
    for version in ("1.0", "2.0"):
        wheel(links, "num", version)
    root = family(
        write,
        slim=lines("serve"),
        new=lines("num>=2"),
        old="apart: true\n" + lines("num<2"),
        full="runtimes: all\n",
    )
    found = locked(root)
    assert {n: versions(r)["num"] for n, r in found.items()} == {"family": "2.0", "old": "1.0"}
    assert "old" not in found["family"].closures
    assert found["old"].closures == {"base": (), "old": ("num", "serve"), "slim": ("num", "serve")}


def test_the_best_wheel_for_the_target(write: Write, links: Path) -> None:
    tags = (
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_28_x86_64.manylinux_2_31_x86_64",
        "cp311-cp311-manylinux_2_38_x86_64",
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp39-abi3-manylinux2014_aarch64",
        "py3-none-any",
    )
    for tag in tags:
        wheel(links, "aa", "1.0", tag=tag)
    root = family(write, one=lines("aa"))

    def chosen(target: Target) -> str:
        return locked(root, target=target)["family"].wheels[0].filename.removeprefix("aa-1.0-")

    assert chosen(TARGET) == f"{tags[1]}.whl"
    assert chosen(Target("3.11.2", "2.41", "linux/amd64")) == f"{tags[2]}.whl"
    assert chosen(Target("3.12.1", "2.36", "linux/amd64")) == f"{tags[3]}.whl"
    assert chosen(Target("3.12.1", "2.36", "linux/arm64")) == f"{tags[4]}.whl"
    assert chosen(Target("3.13.0", "2.36", "linux/amd64")) == f"{tags[5]}.whl"


def test_versions_stay_until_they_are_moved(write: Write, links: Path) -> None:
    for name in ("aa", "bb", "cc"):
        wheel(links, name, "1.0")
    root = family(write, one=lines("aa", "bb"), two=lines("cc"))
    first = locked(root)
    for name in ("aa", "bb", "cc"):
        wheel(links, name, "1.1")
    assert locked(root, first) == first
    assert versions(locked(root, first, {"bb"})["family"]) == {
        "aa": "1.0", "bb": "1.1", "cc": "1.0",
    }  # fmt: skip
    assert set(versions(locked(root, first, "all")["family"]).values()) == {"1.1"}
    bounded = family(write, one=lines("aa>1.0", "bb"), two=lines("cc"))
    assert versions(locked(bounded, first)["family"]) == {"aa": "1.1", "bb": "1.0", "cc": "1.0"}


def test_the_file_that_was_locked_stays_beside_a_newer_build(write: Write, links: Path) -> None:
    old = wheel(links, "aa", "1.0")
    root = family(write, one=lines("aa"))
    first = locked(root)
    wheel(links, "aa", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    assert locked(root, first) == first
    assert locked(root)["family"].wheels[0].filename != old.name


def test_a_source_archive_and_what_builds_it(write: Write, links: Path) -> None:
    sdist(links, "aa", "1.0", '[build-system]\nrequires = ["maker>=2"]\nbuild-backend = "maker"\n')
    sdist(links, "bb", "1.0", None)
    for name in ("maker", "setuptools", "pip", "wheel"):
        wheel(links, name, "50.0", ["helper"] if name == "maker" else [])
    wheel(links, "helper", "1.0")
    root = family(write, one=lines("aa", "bb"))
    found = locked(root)["family"]
    assert [w.filename for w in found.wheels] == ["aa-1.0.tar.gz", "bb-1.0.tar.gz"]
    assert all(w.is_source for w in found.wheels)
    names = ["helper", "maker", "pip", "setuptools", "wheel"]
    assert [w.name for w in found.build] == names
    assert found.closures["one"] == ("aa", "bb")


def test_a_requirement_that_does_not_resolve_names_its_line(write: Write, links: Path) -> None:
    wheel(links, "aa", "1.0")
    root = family(write, slim=lines("aa"), one=lines("aa", "aa>=3"))
    with pytest.raises(UserError) as caught:
        locked(root)
    assert caught.value.message == (
        "runtimes/one/runtime.yaml:4: aa>=3 can't be satisfied: only aa==1.0 is available"
    )
    assert caught.value.details


def test_a_requirement_that_the_image_below_rules_out(write: Write, links: Path) -> None:
    for version in ("1.0", "2.0"):
        wheel(links, "num", version)
    wheel(links, "serve", "1.0", ["num<2"])
    root = family(write, slim=lines("serve"), one=lines("num>=2"))
    with pytest.raises(UserError, match=r"one/runtime\.yaml:3: num>=2 can't go with the requir"):
        locked(root)


def test_two_runtimes_that_can_not_agree_are_both_named(write: Write, links: Path) -> None:
    for version in ("1.0", "2.0"):
        wheel(links, "num", version)
    wheel(links, "serve", "1.0")
    wheel(links, "aa", "1.0", ["num<2"])
    wheel(links, "bb", "1.0", ["num>=2"])
    runtimes = {f"fine{i}": lines("num") for i in range(4)}
    root = family(
        write,
        slim=lines("serve"),
        early=lines("serve", "aa"),
        late=lines("num", "bb"),
        **runtimes,
    )
    with pytest.raises(UserError) as caught:
        locked(root)
    message = caught.value.message
    assert message.startswith(
        "runtimes/early and runtimes/late can't agree: aa (runtimes/early/runtime.yaml:4) and "
        "bb (runtimes/late/runtime.yaml:4): "
    )
    assert "num" in message.rpartition(": ")[2]
    assert "\n" not in message
    assert "apart: true" in caught.value.hint
    late = root / "runtimes/late/runtime.yaml"
    late.write_text(f"apart: true\n{late.read_text()}")
    assert {n: versions(r)["num"] for n, r in locked(root).items()} == {
        "family": "1.0",
        "late": "2.0",
    }


def test_an_index_that_is_gone_is_no_conflict(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(lambda request: request.reply(404)) as server:
        gone = server.url
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{gone}/simple")
    root = family(write, one=lines("aa"))
    with pytest.raises(UserError, match="the package index can't be reached"):
        locked(root)


def test_no_requirement_no_resolution(write: Write) -> None:
    assert locked(family(write, one="env: {A: b}\n")) == {}
