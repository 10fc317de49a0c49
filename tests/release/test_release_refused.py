"""What is in the way of a release: one line each, all at once, and nothing is written anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lapstrake import process
from support.registry import free_port
from support.releases import VERSION, Released, commit, sdist
from support.targets import LOGIN, Targets


def untouched(targets: Targets, released: Released) -> None:
    assert [p.names for p in targets.proxies] == [[], [], []]
    assert not any(p.blobs or p.files for p in targets.proxies)
    assert targets.uploaded == {}
    assert list(released.dist.glob("release-*")) == []


def edited(released: Released, change: Callable[[dict[str, object]], None]) -> None:
    """Change `release:` in lapstrake.yaml, and commit that."""
    path = released.root / "lapstrake.yaml"
    text = yaml.safe_load(path.read_text())
    change(text["release"])
    path.write_text(yaml.safe_dump(text))
    commit(released.root, "edited")


@dataclass(frozen=True)
class Case:
    """A way to spoil a release; `said` is in the line, `hint` in the one below it."""

    spoil: Callable[[Targets, Released], object]
    said: str
    hint: str
    words: tuple[str, ...] = (VERSION,)


def dirty(_: Targets, released: Released) -> None:
    (released.root / "new file").write_text("x")


def detached(_: Targets, released: Released) -> None:
    process.run(["git", "-C", released.root, "checkout", "-q", "--detach"])


def tagged(_: Targets, released: Released) -> None:
    process.run(["git", "-C", released.root, "tag", f"v{VERSION}"])


def bad_token(targets: Targets, _: Released) -> None:
    targets.env["TWINE_INDEX0_PASSWORD"] = "canary-other-0009"


def no_token(targets: Targets, _: Released) -> None:
    del targets.env["TWINE_INDEX0_PASSWORD"]


def bad_login(targets: Targets, _: Released) -> None:
    path = Path(targets.env["REGISTRY_AUTH_FILE"])
    path.write_text(path.read_text().replace("bWU6", "eW91"))


def nobody_there(_: Targets, released: Released) -> None:
    edited(released, lambda r: r.update(registries=[f"127.0.0.1:{free_port()}/x"]))


def no_targets(_: Targets, released: Released) -> None:
    edited(released, dict.clear)


def unknown_index(_: Targets, released: Released) -> None:
    edited(released, lambda r: r.update(indexes=["nowhere"]))


def not_an_index(targets: Targets, released: Released) -> None:
    index = {"name": "index0", "upload": f"http://{targets.first.host}/"}
    edited(released, lambda r: r.update(indexes=[index]))


def taken_name(targets: Targets, _: Released) -> None:
    sdist(targets.folder / "index/packages", "Fam.Core", "0.9.0")


def no_version(_: Targets, released: Released) -> None:
    folder = released.root / "runtimes/broken"
    folder.mkdir(parents=True)
    text = '[project]\nname = "broken"\n[build-system]\nrequires = ["hatchling"]\n'
    (folder / "pyproject.toml").write_text(f'{text}build-backend = "hatchling.build"\n')
    commit(released.root, "broken")


def no_file(_: Targets, released: Released) -> None:
    edited(released, lambda r: r.update(files=["//deploy"]))


CASES = {
    "no file": Case(no_file, "there is no //deploy", "release.files"),
    "dirty": Case(dirty, "the checkout is not clean: ", "commit them"),
    "detached": Case(detached, "no branch is checked out (HEAD is detached)", "git switch main"),
    "tagged": Case(tagged, "1.2.0 was released already: tag v1.2.0", "comes next"),
    "bad token": Case(bad_token, "index0 refuses the login (HTTP 403)", "TWINE_INDEX0_PASSWORD"),
    "no token": Case(no_token, "index0 wants a login", "set $TWINE_INDEX0_PASSWORD"),
    "bad login": Case(bad_login, "refuses the login", "run `skopeo login 127.0.0.1:"),
    "nobody there": Case(nobody_there, "nothing answers at 127.0.0.1:", "is the registry running"),
    "no targets": Case(no_targets, "there is nowhere to release to", "`release:`"),
    "unknown index": Case(unknown_index, "there is no index 'nowhere'", "~/.pypirc"),
    "not an index": Case(not_an_index, "index0 takes no uploads at http", "release.indexes"),
    "taken name": Case(taken_name, "index0 has a project Fam.Core, which", "another name"),
    "no version": Case(
        no_version, "runtimes/broken/pyproject.toml:1: broken has no version", "add"
    ),
    "unknown target": Case(
        lambda *_: None, "there is no target 'x'", "there are 127", (VERSION, "--only", "x")
    ),
    "a blank": Case(
        lambda *_: None, "'1.2.0 rc1' is no version: it has a", "is 1.2.0", ("1.2.0 rc1",)
    ),
    "skips": Case(lambda *_: None, "dist/ holds 1.2.0, not 1.3.0", "build 1.3.0", ("1.3.0",)),
}


@pytest.mark.parametrize("name", CASES)
def test_one_line_and_nothing_written(targets: Targets, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    released = targets.family(tmp_path / "a")
    case.spoil(targets, released)
    done = released.run(*case.words, "--prebuilt", env=targets.env)
    assert done.returncode == 1, done.stderr
    lines = [x for x in done.stderr.splitlines() if not x.startswith("job ")]
    assert lines[0].startswith("error: ")
    assert case.said in lines[0]
    assert lines[-1].startswith("hint: ")
    assert case.hint in lines[-1]
    assert len(lines) <= 3
    assert "canary" not in done.stdout + done.stderr
    before = set(targets.uploaded) - {"Fam.Core-0.9.0.tar.gz"}
    assert before == set()
    assert not any(p.blobs or p.names for p in targets.proxies)
    assert list(released.dist.glob("release-*")) == []


def test_all_at_once(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    for spoil in (dirty, tagged, bad_token, bad_login):
        spoil(targets, released)
    done = released.run(VERSION, "--prebuilt", env=targets.env)
    assert done.returncode == 1
    for name in ("dirty", "tagged", "bad token", "bad login"):
        assert CASES[name].said in done.stderr
    untouched(targets, released)


def test_a_plan_says_it_too(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    dirty(targets, released)
    done = released.run(VERSION, "--prebuilt", "--dry-run", "--json", env=targets.env)
    assert done.returncode == 1
    assert len(json.loads(done.stdout)["names"]) == 8
    assert "the checkout is not clean" in done.stderr
    untouched(targets, released)


def test_only_some_targets(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    done = released.run(VERSION, "--prebuilt", "--only", "index0", env=targets.env)
    assert done.returncode == 0, done.stderr
    assert len(targets.uploaded) == 4
    assert targets.first.asked == targets.second.asked == 0
    words = ["--only", f"{targets.second.host}/x"]
    assert released.run(VERSION, "--prebuilt", *words, env=targets.env).returncode == 0
    assert targets.names(targets.second) == released.public
    assert targets.first.asked == 0


def test_the_login_of_one_index_is_not_told_to_another(targets: Targets, tmp_path: Path) -> None:
    """Twine's own variables are for the only index; with two, each has its own."""
    released = targets.family(tmp_path / "a")
    two = [
        {"name": "index0", "upload": f"http://{targets.index.host}/"},
        {"name": "index1", "upload": f"http://{targets.index.host}/"},
    ]
    edited(released, lambda r: r.update(indexes=two, registries=[]))
    env = {"TWINE_USERNAME": LOGIN[0], "TWINE_PASSWORD": LOGIN[1]}
    done = released.run(VERSION, "--prebuilt", env=env)
    assert done.returncode == 1
    assert "index0 wants a login" in done.stderr
    assert "index1 wants a login" in done.stderr
    edited(released, lambda r: r.update(indexes=two[:1]))
    assert released.run(VERSION, "--prebuilt", env=env).returncode == 0
