"""Projects in a plan: a layer each, above all other wheels, with the family's version."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from locks import deb, lock, resolution, wheel

from lapstrake.definition.load import load
from lapstrake.errors import UserError
from lapstrake.layers.kinds import BuiltWheel, Wheels
from lapstrake.lock.model import Lock, LockedProject
from lapstrake.plan.changed import changed_images
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan, direct_needs, own_wheels
from support.gitrepo import git, repository
from support.pyprojects import HATCHLING, POETRY

FILES = {
    "lapstrake.yaml": "name: fam\nversion: 1.2.0rc1\nrelease: {python: {core: core}}\n",
    "images/base/image.yaml": "root: {suite: bookworm}\n",
    "images/slim/image.yaml": "extends: base\npython: {project: //core}\n",
    "images/full/image.yaml": "extends: slim\nruntimes: all\n",
    "runtimes/a/runtime.yaml": "apt: [libx]\npython: {project: ., requirements: [big]}\n",
    "runtimes/b/runtime.yaml": "python: {requirements: [six]}\n",
    **{f"core/{name}": text for name, text in HATCHLING.items()},
    **{f"runtimes/a/{name}": text for name, text in POETRY.items()},
}
CORE, OWN = "thing-hatch", "thing-poetry"
TOOLS = {CORE: wheel("hatchling"), OWN: wheel("poetry-core")}


def locked(**more: str) -> Lock:
    closures = {
        "base": "",
        "slim": CORE,
        "a": f"{CORE} {OWN} big small",
        "b": f"{CORE} six",
        "full": f"{CORE} {OWN} big small six",
    }
    wheels = [wheel("big", size=20_000_000), wheel("small"), wheel("six")]
    found = lock(apt={"a": [deb("libx")]}, family=resolution(wheels, closures | more))
    projects = {name: LockedProject(build=(tool,)) for name, tool in TOOLS.items()}
    return found.model_copy(update={"projects": projects})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo", FILES)


def plan_of(root: Path) -> Plan:
    return make_plan(load(root), locked())


def ids(plan: Plan) -> dict[str, list[str]]:
    return {i.name: [x.id for x in i.layers] for i in plan.images}


def test_a_project_is_a_layer_above_the_other_wheels(root: Path) -> None:
    plan = plan_of(root)
    titles = [x.title for x in plan.image("a").layers if isinstance(x, Wheels)]
    core, own = f"{CORE} 1.2.0rc1", f"{OWN} 1.2.0rc1"
    assert titles == [core, "big 1.0", "small 1.0", own]
    full = [x.title for x in plan.image("full").layers if isinstance(x, Wheels)]
    assert full == [core, "big 1.0", "six 1.0", "small 1.0", own]
    (built,) = (w for x in plan.image("a").layers for w in own_wheels(x) if w.name == OWN)
    assert built.tools == (TOOLS[OWN],)
    assert built.own
    assert plan.image("slim").requirements == (CORE,)


def test_it_is_built_once_over_the_image_that_names_it(root: Path) -> None:
    plan = plan_of(root)
    layers = {n: [x for x in plan.image(n).layers if own_wheels(x)] for n in ("a", "full", "slim")}
    assert [x.id for x in layers["a"]] == [x.id for x in layers["full"]]
    core, own = layers["full"]
    assert [x.title for x in direct_needs(core)] == ["bookworm, 2 packages"]
    assert [x.title for x in direct_needs(own)] == ["bookworm, 2 packages", "apt libx"]


def test_a_changed_source_moves_one_layer(root: Path) -> None:
    before = plan_of(root)
    path = root / "core/thing_hatch/__init__.py"
    path.write_text(path.read_text() + "x = 1\n")
    after = plan_of(root)
    for image in before.images:
        now = after.image(image.name).layers
        other = [(x.title, y.title) for x, y in zip(image.layers, now, strict=True) if x.id != y.id]
        moved = [] if image.name == "base" else [(f"{CORE} 1.2.0rc1",) * 2]
        assert other == moved


def test_its_archive_has_the_version_and_nothing_of_the_place(root: Path, tmp_path: Path) -> None:
    plan = plan_of(root)
    git(tmp_path, "clone", "-q", str(root), "elsewhere")
    (tmp_path / "elsewhere/core/thing_hatch/__init__.py").touch()
    (tmp_path / "elsewhere/core/thing_hatch/data.json").chmod(0o600)
    again = plan_of(tmp_path / "elsewhere")
    assert again.archives == plan.archives
    assert ids(again) == ids(plan)
    core, _ = plan.archives
    assert core.wheel.sha256 == hashlib.sha256(core.data).hexdigest()
    assert (core.wheel.filename, core.wheel.size) == ("thing_hatch-1.2.0rc1.tar.gz", len(core.data))
    with tarfile.open(fileobj=io.BytesIO(core.data)) as tar:
        file = tar.extractfile("thing_hatch-1.2.0rc1/thing_hatch/__init__.py")
        assert file is not None
        assert b'__version__ = "1.2.0rc1"' in file.read()


def test_another_version_is_another_wheel(root: Path) -> None:
    before = ids(plan_of(root))
    path = root / "lapstrake.yaml"
    path.write_text(path.read_text().replace("1.2.0rc1", "1.2.0"))
    after = ids(plan_of(root))
    assert before["base"] == after["base"]
    assert before["a"] != after["a"]


def test_the_bill_names_a_project_without_a_hash(root: Path) -> None:
    system = plan_of(root).image("slim").layers[-1]
    (bill,) = (e.data for e in system.entries if e.path.endswith(".spdx.json"))  # type: ignore[attr-defined]
    assert b"pkg:pypi/thing-hatch@1.2.0rc1" in bill
    (archive,) = (a for a in plan_of(root).archives if a.wheel.name == CORE)
    assert archive.wheel.sha256.encode() not in bill


def test_a_small_budget_merges_the_others_first(root: Path) -> None:
    text = (root / "lapstrake.yaml").read_text()
    (root / "lapstrake.yaml").write_text(f"{text}layers: {{budget: 9}}\n")
    titles = [x.title for x in plan_of(root).image("a").layers if isinstance(x, Wheels)]
    assert titles == [f"{CORE} 1.2.0rc1", "2 wheels of a", f"{OWN} 1.2.0rc1"]


def test_a_locked_project_that_is_gone_is_named(root: Path) -> None:
    (root / "runtimes/a/pyproject.toml").unlink()
    (root / "runtimes/a/runtime.yaml").write_text("python: {requirements: [big]}\n")
    with pytest.raises(UserError, match="there is no project thing-poetry any more"):
        plan_of(root)


def test_a_git_diff_touches_the_images_of_a_project(root: Path) -> None:
    (root / "lapstrake.lock").write_text(locked().model_dump_json())
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "lock")
    repo = load(root)
    assert changed_images(repo, make_plan(repo, locked()), "HEAD") == ()
    (root / "runtimes/a/thing_poetry/__init__.py").write_text("x = 1\n")
    assert changed_images(repo, make_plan(repo, locked()), "HEAD") == ("a", "full")


def test_third_party_source_archives_are_as_before(root: Path) -> None:
    source = wheel("old").model_copy(update={"filename": "old-1.0.tar.gz"})
    found = lock(family=resolution([source], {"b": "old"}, [wheel("setuptools")]))
    layers = make_plan(load(root), found, ["b"]).image("b").layers
    (built,) = (w for x in layers if isinstance(x, Wheels) for w in x.wheels)
    assert isinstance(built, BuiltWheel)
    assert "own" not in built.inputs()
