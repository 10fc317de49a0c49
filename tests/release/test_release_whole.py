"""Whole releases, with the draft on GitHub; their verification; snapshots."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.fault_proxy import Fault
from support.github_api import GithubApi, serve_github
from support.releases import VERSION, Released, commit, family
from support.targets import Targets

GITHUB = {"github": "octo/fam"}


def drafted(targets: Targets, folder: Path, where: str = "x") -> Released:
    """A repository that has a draft among its targets."""
    registries = [f"{targets.first.host}/{where}", f"{targets.second.host}/{where}"]
    return family(folder, registries, [f"http://{targets.index.host}/"], settings=GITHUB)


def release(targets: Targets, api: GithubApi, released: Released, *words: str) -> dict[str, object]:
    done = released.run(VERSION, "--prebuilt", "--json", *words, env={**targets.env, **api.env})
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_whole_release_is_drafted_and_verified(targets: Targets, tmp_path: Path) -> None:
    released = drafted(targets, tmp_path / "a")
    page = tmp_path / "summary.md"
    with serve_github(released.root) as api:
        env = {**api.env, "GITHUB_STEP_SUMMARY": str(page)}
        done = released.run(VERSION, "--prebuilt", "--json", env={**targets.env, **env})
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        (draft,) = api.repository.releases
        assert draft.draft
        assert (draft.tag, said["draft"]["state"]) == (f"v{VERSION}", "created")
        names = {a.name for a in draft.assets}
        assert {p.name for p in released.files} | {"SHA256SUMS"} <= names
        assert all(d in draft.body for d in released.digests.values())
        assert all(d in page.read_text() for d in released.digests.values())
        # it is the last thing that is made, and once
        again = release(targets, api, released)
        assert again["draft"] == {**said["draft"], "state": "unchanged"}
        assert not any(a["sent"] for a in again["assets"])  # type: ignore[attr-defined]
        whole = released.run("verify", VERSION, env={**targets.env, **api.env})
        assert whole.returncode == 0, whole.stderr + whole.stdout
        shutil.rmtree(released.dist)
        apart = released.run("verify", VERSION, "--json", env={**targets.env, **api.env})
        assert apart.returncode == 0, apart.stderr
        parts = {f["part"] for f in json.loads(apart.stdout)}
        assert parts == {"images", "release", "files"}


def test_no_draft_before_everything_is_public(targets: Targets, tmp_path: Path) -> None:
    released = drafted(targets, tmp_path / "a")
    with serve_github(released.root) as api:
        targets.second.harm = _refusing_names
        done = released.run(VERSION, "--prebuilt", env={**targets.env, **api.env})
        assert done.returncode == 1
        assert api.repository.releases == []
        targets.second.harm = lambda *_: None
        assert release(targets, api, released)["outcome"] == "done"


def _refusing_names(_: int, method: str, path: str) -> Fault | None:
    public = "/manifests/" in path and "candidate" not in path and "sha256" not in path
    return "405" if method == "PUT" and public else None


def test_github_s_answer_to_a_bad_token_comes_with_all_others(
    targets: Targets, tmp_path: Path
) -> None:
    released = drafted(targets, tmp_path / "a")
    with serve_github(released.root) as api:
        env = {**targets.env, **api.env, "GITHUB_TOKEN": "ghp_canary0001"}
        env["TWINE_INDEX0_PASSWORD"] = "canary-wrong-0002"
        done = released.run(VERSION, "--prebuilt", env=env)
        assert done.returncode == 1
        assert "GitHub refuses the token" in done.stderr
        assert "index0 refuses the login" in done.stderr
        assert "canary" not in done.stderr
        assert list(released.dist.glob("release-*")) == []
        assert api.repository.releases == []


def spoiled_blob(targets: Targets, released: Released) -> str:
    layer = released.build.image("srv").layers[-1]
    digest = max(x.digest for i in released.build.images for x in i.layers if x is not layer)
    hexed = digest.removeprefix("sha256:")
    path = targets.folder / f"first/data/docker/registry/v2/blobs/sha256/{hexed[:2]}/{hexed}/data"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    return digest


def spoiled_file(targets: Targets, released: Released) -> str:
    del released
    (targets.folder / "index/packages/fam_core-1.2.0.tar.gz").write_bytes(b"x")
    return "index0 fam_core-1.2.0.tar.gz, as it comes is 2d711642b726"


def missing_file(targets: Targets, released: Released) -> str:
    del released
    (targets.folder / "index/packages/fam_core-1.2.0.tar.gz").unlink()
    return "index0 fam_core-1.2.0.tar.gz is missing"


def moved_name(targets: Targets, released: Released) -> str:
    place = f"{targets.second.host}/x/fam:{VERSION}"
    # in the registry's own folder: nobody has to log in there
    tags = targets.folder / "second/data/docker/registry/v2/repositories/x/fam/_manifests/tags"
    link = (tags / f"{VERSION}-slim/current/link").read_text()
    (tags / f"{VERSION}/current/link").write_text(link)
    return f"{place} is {released.digests['slim']}, not {released.digests['full']}"


def missing_name(targets: Targets, _: Released) -> str:
    tags = targets.folder / "first/data/docker/registry/v2/repositories/x/fam/_manifests/tags"
    shutil.rmtree(tags / f"{VERSION}-slim")
    return f"{targets.first.host}/x/fam:{VERSION}-slim is missing"


@pytest.mark.parametrize(
    "spoil", [spoiled_blob, spoiled_file, missing_file, moved_name, missing_name]
)
def test_verify_finds_what_is_wrong(targets: Targets, tmp_path: Path, spoil: object) -> None:
    released = targets.family(tmp_path / "a")
    assert released.run(VERSION, "--prebuilt", env=targets.env).returncode == 0
    assert released.run("verify", VERSION, env=targets.env).returncode == 0
    said = spoil(targets, released)  # type: ignore[operator]
    done = released.run("verify", VERSION, env=targets.env)
    assert done.returncode == 1
    assert said in done.stderr
    assert released.run("verify", "1.1.0", env=targets.env).returncode == 1


def test_a_snapshot_needs_no_target_and_reaches_none(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    (released.root / "new file").write_text("not committed")
    done = released.run(VERSION, "--prebuilt", "--snapshot", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["outcome"] == "done"
    assert [p.asked for p in targets.proxies] == [0, 0, 0]
    folder = released.dist / "release-snapshot"
    assert {p.name: p.read_bytes() for p in (folder / "index").iterdir()} == {
        p.name: p.read_bytes() for p in released.files
    }
    blobs = {p.parent.name for p in (folder / "registry/data").rglob("data") if p.is_file()}
    assert {d.removeprefix("sha256:") for d in released.blobs} <= blobs
    # nothing of it counts as released
    assert released.run("status").returncode == 1
    again = json.loads(released.run(VERSION, "--prebuilt", "--snapshot", "--json").stdout)
    assert again["sent"]["blobs"] == again["sent"]["files"] == 0


def test_a_project_without_its_wheel_is_refused(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    text = '[project]\nname = "fam-other"\nversion = "0.0.0"\n'
    (released.root / "pyproject.toml").write_text(text)
    commit(released.root, "a project")
    done = released.run(VERSION, "--prebuilt", env=targets.env)
    assert done.returncode == 1
    assert "dist/ has no wheel of fam-other" in done.stderr
    assert targets.uploaded == {}


def test_what_no_draft_can_hold_is_refused_before_anything_is_sent(
    targets: Targets, tmp_path: Path
) -> None:
    files = {"files": ["//deploy", "//other/a.yaml"]}
    released = family(tmp_path / "a", [f"{targets.first.host}/x"], settings=files)
    for folder in ("deploy", "other"):
        (released.root / folder).mkdir()
        (released.root / folder / "a.yaml").write_text(f"{folder}: 1\n")
    commit(released.root, "deploy files")
    done = released.run(VERSION, "--prebuilt", env=targets.env)
    assert done.returncode == 1
    assert "would both be published as a.yaml" in done.stderr
    assert targets.first.names == []
    (released.root / "other/a.yaml").rename(released.root / "other/b.yaml")
    text = (released.root / "lapstrake.yaml").read_text().replace("a.yaml", "b.yaml")
    (released.root / "lapstrake.yaml").write_text(text)
    commit(released.root, "another name")
    assert released.run(VERSION, "--prebuilt", env=targets.env).returncode == 0
    sums = (released.dist / "evidence/SHA256SUMS").read_text()
    assert {"a.yaml", "b.yaml"} <= set(sums.split())
