"""What a draft can hold, known before anything is sent."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake_release.evidence.publishable import check_publishable
from lapstrake_release.phases.draft import server_of
from lapstrake_release.problems import Refusal
from support.github_api import serve_github
from support.releases import VERSION, Released, commit, family


def file(path: Path, size: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as opened:
        opened.truncate(size)
    return path


def test_what_lies_beside_each_other(tmp_path: Path) -> None:
    check_publishable([])
    check_publishable([file(tmp_path / "a.yaml"), file(tmp_path / "b/c d.yaml", (2 << 30) - 1)])


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    good = [file(tmp_path / f"{n}.txt") for n in range(1000)]
    wrong = [
        file(tmp_path / "empty.yaml", 0),
        file(tmp_path / "large.tar", 2 << 30),
        file(tmp_path / "x/a b.yaml"),
        file(tmp_path / "y/a.b.yaml"),
        tmp_path / "missing.yaml",
    ]
    with pytest.raises(Refusal) as caught:
        check_publishable([*good, *wrong])
    said = "\n".join(p.message for p in caught.value.problems)
    assert "empty.yaml is empty, and GitHub takes no such file" in said
    assert "large.tar has 2 GiB or more" in said
    assert "would both be published as a.b.yaml" in said
    assert "missing.yaml can't be read: No such file" in said
    assert "no more than 1000 files, and there are 1005" in said
    assert len(caught.value.problems) == 5


@pytest.mark.parametrize(
    ("env", "server"),
    [
        ({}, "https://github.com"),
        ({"GITHUB_API_URL": "https://api.github.com"}, "https://github.com"),
        ({"GITHUB_API_URL": "https://git.acme.example/api/v3"}, "https://git.acme.example"),
        ({"GITHUB_SERVER_URL": "https://git.acme.example/"}, "https://git.acme.example"),
    ],
)
def test_where_the_source_is(env: dict[str, str], server: str) -> None:
    assert server_of(env) == server


@pytest.mark.parametrize("url", ["github.com", "ftp://x", "https://", "https://me:secret@x"])
def test_a_server_that_is_none(url: str) -> None:
    with pytest.raises(UserError, match="GITHUB_SERVER_URL is no address") as caught:
        server_of({"GITHUB_SERVER_URL": url})
    assert "secret" not in str(caught.value)


def drafted(folder: Path, sizes: dict[str, int]) -> Released:
    """A repository whose only target is GitHub, with deploy files of these sizes."""
    names = [f"//{name}" for name in sizes]
    released = family(folder, settings={"github": "octo/fam", "files": names})
    for name, size in sizes.items():
        (released.root / name).write_bytes(random.Random(name).randbytes(size))  # noqa: S311
    commit(released.root, "deploy files")
    return released


def test_a_deploy_file_that_no_draft_takes_is_refused_in_the_first_phase(tmp_path: Path) -> None:
    released = drafted(tmp_path, {"a.yaml": 0, "b.yaml": 1})
    with serve_github(released.root) as api:
        done = released.run(VERSION, "--prebuilt", env=api.env)
        assert done.returncode == 1
        assert "a.yaml is empty, and GitHub takes no such file" in done.stderr
        assert list(released.dist.glob("release-*")) == []
        assert api.repository.releases == []


def test_the_draft_s_progress_counts_every_file(tmp_path: Path) -> None:
    """By bytes: after the first of two large files, about half is done."""
    released = drafted(tmp_path, {"a.bin": 1 << 20, "z.bin": 1 << 20})
    with serve_github(released.root) as api:
        api.moment = lambda: time.sleep(0.15)
        done = released.run(VERSION, "--prebuilt", env=api.env)
        assert done.returncode == 0, done.stderr
        assert {a.name for a in api.repository.releases[0].assets} >= {"a.bin", "z.bin"}
    lines = released.journal()
    first = next(n for n, x in enumerate(lines) if x.get("phase") == "draft")
    said = [int(str(x["percent"])) for x in lines[first:] if x["event"] == "progress"]
    assert said == sorted(said)
    assert any(40 < percent < 60 for percent in said)
    assert said[-1] > 90


def test_provenance_names_the_github_that_it_runs_on(tmp_path: Path) -> None:
    released = drafted(tmp_path, {"a.yaml": 1})
    with serve_github(released.root) as api:
        server = {"GITHUB_SERVER_URL": "https://git.acme.example"}
        done = released.run(VERSION, "--prebuilt", env={**api.env, **server})
        assert done.returncode == 0, done.stderr
        (asset,) = [
            a for a in api.repository.releases[0].assets if a.name.endswith("images.intoto.json")
        ]
    materials = json.loads(asset.data)["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert materials[0]["uri"] == f"git+https://git.acme.example/octo/fam@refs/tags/v{VERSION}"
