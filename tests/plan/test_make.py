from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from locks import CLOSURES, FAMILY, WHEELS, deb, lock, repo_of, resolution, source, wheel

from lapstrake.errors import UserError
from lapstrake.layers.kinds import Bootstrap, BuiltWheel, Copy, FileEntry, Files, Run, Wheels
from lapstrake.lock.model import Lock
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan

Write = Callable[..., Path]


def family_lock() -> Lock:
    return lock(family=resolution(WHEELS, CLOSURES))


def plan_of(root: Path, locked: Lock | None = None, *names: str) -> Plan:
    return make_plan(repo_of(root), locked or family_lock(), names)


def titles(plan: Plan, name: str) -> list[str]:
    return [layer.title for layer in plan.image(name).layers]


def test_layers_from_the_bottom_up(write: Write) -> None:
    plan = plan_of(write(FAMILY))
    assert titles(plan, "slim") == [
        "bookworm, 2 packages",
        "environment of Python 3.11",
        "2 wheels of slim",
        "system: boot, services, SSH",
    ]
    assert titles(plan, "a") == [
        *titles(plan, "slim")[:-1],
        "both 1.0",
        "aa 1.0",
        "system: boot, services, SSH",
    ]


def test_the_full_image_is_the_union_of_its_runtimes(write: Write) -> None:
    plan = plan_of(write(FAMILY))
    whole = {x.id for x in plan.image("full").layers[:-1]}
    parts = {x.id for n in "ab" for x in plan.image(n).layers[:-1]}
    assert whole == parts


def test_parents_come_first_and_each_layer_once(write: Write) -> None:
    plan = plan_of(write(FAMILY))
    assert [i.name for i in plan.images] == ["base", "slim", "a", "b", "full"]
    ids = [x.id for x in plan.layers]
    assert len(ids) == len(set(ids))


def test_same_inputs_same_ids_anywhere(write: Write) -> None:
    first, second = plan_of(write(FAMILY, "one")), plan_of(write(FAMILY, "two"))
    assert [i.id for i in first.images] == [i.id for i in second.images]


def test_one_bumped_wheel_changes_its_layer_alone(write: Write) -> None:
    root = write(FAMILY)
    bumped = [w if w.name != "bb" else wheel("bb", "2.0") for w in WHEELS]
    before = plan_of(root)
    after = plan_of(root, lock(family=resolution(bumped, CLOSURES)))
    old, new = {x.id for x in before.layers}, {x.id for x in after.layers}
    changed = [x.title for x in after.layers if x.id in new - old]
    # the SBOM in the system layer names every version
    assert changed == ["bb 2.0", *["system: boot, services, SSH"] * 2]


def test_epoch_touches_root_but_no_wheels(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(FAMILY)
    before = plan_of(root)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    after = plan_of(root)
    assert after.epoch == 1_600_000_000
    kept = {x.id for x in before.layers} & {x.id for x in after.layers}
    assert all(x.kind in {"wheels", "files"} for x in after.layers if x.id in kept)
    assert {x.kind for x in after.layers if x.id not in kept} == {"root"}


@pytest.mark.parametrize("text", ["", "abc", "-1", "1.5", " 1", "99999999999"])
def test_malformed_epoch_is_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(UserError, match="no number of seconds"):
        plan_of(write(FAMILY))


def test_a_runtime_that_adds_no_wheel_adds_no_layer(write: Write) -> None:
    files = FAMILY | {"runtimes/b/runtime.yaml": "env: {MODEL: b}\n"}
    closures = CLOSURES | {"b": "server dep", "full": "server dep aa both"}
    plan = plan_of(write(files), lock(family=resolution(WHEELS, closures)))
    assert plan.image("b").layers == plan.image("slim").layers
    assert plan.image("b").id != plan.image("slim").id


def test_another_version_of_the_family_changes_no_layer(write: Write) -> None:
    before = plan_of(write(FAMILY, "one"))
    changed = FAMILY["lapstrake.yaml"].replace("1.0.dev1", "1.0.1")
    after = plan_of(write(FAMILY | {"lapstrake.yaml": changed}, "two"))
    assert [x.id for x in before.layers] == [x.id for x in after.layers]
    assert before.image("a").id != after.image("a").id


def test_apt_of_one_runtime_is_shared_with_the_full_image(write: Write) -> None:
    files = FAMILY | {"runtimes/b/runtime.yaml": "apt: [libx]\npython: {requirements: [bb]}\n"}
    locked = lock(apt={"b": [deb("libx")]}, family=resolution(WHEELS, CLOSURES))
    plan = plan_of(write(files), locked)
    [own] = [x for x in plan.image("b").layers if isinstance(x, Run)]
    [whole] = [x for x in plan.image("full").layers if isinstance(x, Run)]
    assert own.id == whole.id
    assert own.title == "apt libx"


def test_apt_of_two_runtimes_becomes_one_layer_of_the_full_image(write: Write) -> None:
    files = FAMILY | {
        "runtimes/a/runtime.yaml": "apt: [liba]\npython: {requirements: [aa]}\n",
        "runtimes/b/runtime.yaml": "apt: [libb]\npython: {requirements: [bb]}\n",
    }
    apt = {"a": [deb("liba"), deb("common")], "b": [deb("libb"), deb("common")]}
    plan = plan_of(write(files), lock(apt=apt, family=resolution(WHEELS, CLOSURES)))
    [whole] = [x for x in plan.image("full").layers if isinstance(x, Run)]
    assert [d.name for d in whole.debs] == ["common", "liba", "libb"]


def test_packages_are_installed_as_if_there_were_no_python_below(write: Write) -> None:
    def ids(slim: str, bump: str) -> tuple[str, list[str]]:
        files = FAMILY | {
            "images/slim/image.yaml": FAMILY["images/slim/image.yaml"] + slim,
            "images/slim/conf": "1",
            "runtimes/b/runtime.yaml": "apt: [libx]\npython: {requirements: [bb]}\n",
        }
        wheels = [w if w.name != "server" else wheel("server", bump) for w in WHEELS]
        locked = lock(apt={"b": [deb("libx")]}, family=resolution(wheels, CLOSURES))
        [found] = [x for x in plan_of(write(files), locked).image("b").layers if isinstance(x, Run)]
        return found.id, [x.title for x in found.below]

    one, below = ids("", "1.0")
    assert below == ["bookworm, 2 packages"]
    assert ids("", "2.0")[0] == one
    inside = "files: [{from: conf, to: /opt/venv/conf}]\n"
    assert ids(inside, "1.0")[0] == one
    # what may tell apt or a package's script something
    other, below = ids("files: [{from: conf, to: /etc/apt/apt.conf.d/9conf}]\n", "1.0")
    assert other != one
    assert below == ["bookworm, 2 packages", "files of slim"]


def test_a_run_depends_on_what_lies_below_and_its_commands(write: Write) -> None:
    def runs(text: str, bump: str = "1.0") -> list[str]:
        files = FAMILY | {"runtimes/b/runtime.yaml": f"python: {{requirements: [bb]}}\n{text}"}
        wheels = [w if w.name != "bb" else wheel("bb", bump) for w in WHEELS]
        plan = plan_of(write(files), lock(family=resolution(wheels, CLOSURES)))
        return [x.id for x in plan.image("b").layers if isinstance(x, Run)]

    one = runs("run: [echo a]\n")
    assert len(one) == 1
    assert one == runs("run: [echo a]\n")
    assert one != runs("run: [echo b]\n")
    assert one != runs("run: [echo a]\n", bump="2.0")


def test_files_are_hashed_with_mode_and_owner(write: Write) -> None:
    files = FAMILY | {
        "runtimes/b/runtime.yaml": "python: {requirements: [bb]}\n"
        "files: [{from: src, to: /srv, owner: 7}]\n",
        "runtimes/b/src/tool": "#!/bin/sh\n",
        "runtimes/b/src/__pycache__/x": "noise",
    }
    root = write(files)
    (root / "runtimes/b/src/tool").chmod(0o755)
    [layer] = [x for x in plan_of(root).image("b").layers if x.title == "files of b"]
    assert isinstance(layer, Files)
    assert [(e.path, e.type, e.mode, e.uid) for e in layer.entries] == [
        ("/srv", "dir", 0o755, 7),
        ("/srv/tool", "file", 0o755, 7),
    ]
    (root / "runtimes/b/src/tool").write_text("#!/bin/sh\n#\n")
    [other] = [x for x in plan_of(root).image("b").layers if x.title == "files of b"]
    assert other.id != layer.id


def test_a_link_is_made_without_a_command(write: Write) -> None:
    files = FAMILY | {
        "runtimes/b/runtime.yaml": "python: {requirements: [bb]}\n"
        "files: [{link: ../y, to: /srv/x, group: 7}]\n",
    }
    [layer] = [x for x in plan_of(write(files)).image("b").layers if x.title == "files of b"]
    assert isinstance(layer, Files)
    assert layer.entries == (FileEntry("/srv/x", 0o777, "symlink", 0, 7, target="../y"),)
    files["runtimes/b/runtime.yaml"] = "files: [{link: ../y, to: /x}, {link: ../z, to: /x}]\n"
    with pytest.raises(UserError, match=r"runtimes/b/runtime.yaml:1: /x comes from two places"):
        plan_of(write(files), None, "b")


def test_copy_out_of_an_image_of_the_family(write: Write) -> None:
    files = FAMILY | {
        "runtimes/b/runtime.yaml": "python: {requirements: [bb]}\n"
        "copy: [{from: a, paths: [{from: /opt/x, to: /y}]}]\n"
    }
    plan = plan_of(write(files), None, "b")
    [layer] = [x for x in plan.image("b").layers if isinstance(x, Copy)]
    assert layer.paths == (("/opt/x", "/y"),)
    # what it is taken from must be built too, though the image isn't in the plan
    assert {x.title for x in layer.layers} <= {x.title for x in plan.layers}
    assert "aa 1.0" in {x.title for x in plan.layers}


def test_a_source_is_built_in_the_image_s_own_root(write: Write) -> None:
    wheels = [w for w in WHEELS if w.name != "bb"] + [source("bb")]
    tools = [wheel("setuptools")]
    plan = plan_of(write(FAMILY), lock(family=resolution(wheels, CLOSURES, tools)))
    built = [w for x in plan.layers if isinstance(x, Wheels) for w in x.wheels]
    [found] = [w for w in built if isinstance(w, BuiltWheel)]
    assert [x.kind for x in found.root] == ["root"]
    assert found.tools == tuple(tools)


def test_an_apart_runtime_has_its_own_versions_down_to_slim(write: Write) -> None:
    files = FAMILY | {"runtimes/c/runtime.yaml": "apart: true\npython: {requirements: [cc]}\n"}
    own = resolution(
        [wheel("server"), wheel("dep", "0.9"), wheel("cc")],
        {"slim": "server dep", "c": "server dep cc"},
    )
    plan = plan_of(write(files), lock(family=resolution(WHEELS, CLOSURES), c=own))
    versions = {
        (w.name, w.version)
        for x in plan.image("c").layers
        if isinstance(x, Wheels)
        for w in x.wheels
        if not isinstance(w, BuiltWheel)
    }
    assert versions == {("server", "1.0"), ("dep", "0.9"), ("cc", "1.0")}
    assert "cc" not in str(titles(plan, "full"))


def test_the_budget_caps_layers_and_keeps_every_wheel(write: Write) -> None:
    names = [f"w{n:02}" for n in range(60)]
    files = {k: v for k, v in FAMILY.items() if not k.startswith("runtimes")}
    files["lapstrake.yaml"] = "name: fam\nlayers: {budget: 12, large: 1}\n"
    wheels = [wheel("server"), *(wheel(n, size=2**i) for i, n in enumerate(names))]
    closures = {"slim": "server", "full": f"server {' '.join(names)}"}
    plan = plan_of(write(files), lock(family=resolution(wheels, closures)))
    layers = plan.image("full").layers
    assert sum(x.blobs if isinstance(x, Bootstrap) else 1 for x in layers) == 12
    held = [w.name for x in layers if isinstance(x, Wheels) for w in x.wheels]
    assert sorted(held) == ["server", *names]
    # the largest still have a layer of their own
    assert "w59 1.0" in titles(plan, "full")


def test_tags_and_tokens(write: Write) -> None:
    files = FAMILY | {
        "runtimes/a/runtime.yaml": "python: {requirements: [aa]}\ntag: {service: as, wheel: AA}\n",
        "images/base/image.yaml": "root: {suite: bookworm, packages: [tini]}\n"
        "tag: {service: init, package: tini}\n",
    }
    locked = lock([deb("tini", "1:0.19+ds-1~x"), deb("libc6")], family=resolution(WHEELS, CLOSURES))
    plan = plan_of(write(files), locked)
    assert plan.image("full").tags == ("1.0.dev1",)
    assert plan.image("slim").tags == ("1.0.dev1-slim",)
    assert plan.image("a").tags == ("1.0.dev1-a", "as1.0-python3.11-debian12")
    assert plan.image("base").tags == ("1.0.dev1-base", "init0.19-ds-debian12")


def test_two_images_with_one_tag_are_refused(write: Write) -> None:
    tag = "tag: {service: s, wheel: server}\n"
    files = FAMILY | {
        "runtimes/a/runtime.yaml": f"python: {{requirements: [aa]}}\n{tag}",
        "runtimes/b/runtime.yaml": f"python: {{requirements: [bb]}}\n{tag}",
    }
    with pytest.raises(UserError, match="a and b would both be tagged"):
        plan_of(write(files))


def test_a_tag_of_what_the_image_lacks_is_refused(write: Write) -> None:
    files = FAMILY | {
        "runtimes/a/runtime.yaml": "python: {requirements: [aa]}\ntag: {service: a, wheel: zz}\n"
    }
    with pytest.raises(UserError, match=r"runtimes/a/runtime\.yaml:2: the image has no zz"):
        plan_of(write(files))


def test_config_is_inherited_and_united(write: Write) -> None:
    files = FAMILY | {
        "images/base/image.yaml": "root: {suite: bookworm}\nenv: {A: base, B: base}\n",
        "runtimes/a/runtime.yaml": "python: {requirements: [aa]}\nenv: {A: a, C: 'x=\"1\"'}\n"
        "services: [{name: s, command: x, main: true, ports: [9000]}]\nvolumes: [/data]\n",
    }
    plan = plan_of(write(files))
    for name in ("a", "full"):
        config = plan.image(name).config
        env = dict(config.env)
        assert (env["A"], env["B"], env["C"]) == ("a", "base", 'x="1"')
        assert env["PATH"].startswith("/opt/venv/bin:")
        assert (config.ports, config.volumes) == ((9000,), ("/data",))
    assert "/opt/venv" not in dict(plan.image("base").config.env)["PATH"]


def test_the_sbom_names_every_package_and_no_address(write: Write) -> None:
    plan = plan_of(write(FAMILY))
    system = plan.image("full").layers[-1]
    assert isinstance(system, Files)
    [bill] = [e.data for e in system.entries if e.path.endswith("sbom.spdx.json")]
    assert bill is not None
    names = {p["name"] for p in json.loads(bill)["packages"]}
    assert names == {"libc6", "tini", "server", "dep", "aa", "bb", "both"}
    assert b"http" not in bill


def test_unknown_name_is_a_user_error(write: Write) -> None:
    with pytest.raises(UserError, match="there is no image or runtime 'zz'"):
        plan_of(write(FAMILY), None, "zz")
