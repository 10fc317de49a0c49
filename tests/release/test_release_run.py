"""Releases to real registries and a real index on loopback."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from lapstrake import process
from support.pypi import serve_pypi
from support.releases import DESCRIPTIVE, VERSION, family, sdist, wheel
from support.targets import Targets


def test_everything_is_where_it_should_be(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    done = released.run(VERSION, "--prebuilt", "--json", env=targets.env)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["outcome"] == "done"
    assert f"job {said['job']}" in done.stderr
    for proxy in (targets.first, targets.second):
        assert targets.names(proxy) == released.public
        assert proxy.blobs == {("x/fam", d): 1 for d in released.blobs} | _empty(proxy)
        # no public name before all of the candidates
        order = ["candidate" in n for n in proxy.names if not n.startswith("sha256:")]
        assert order[:3] == [True] * 3
        assert proxy.names[-1 - 3 - 1 :] != []
    assert targets.uploaded == {p.name: p.read_bytes() for p in released.files}
    assert set(targets.index.files.values()) == {1}
    assert said["images"][0]["pinned"][0].startswith(f"{targets.first.host}/x/fam@sha256:")
    assert said["remarks"] == []
    assert json.loads((released.dist / f"release-{VERSION}.json").read_text()) == said


def _empty(proxy: object) -> dict[tuple[str, str], int]:
    """What the manifest about nothing is made of."""
    del proxy
    digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    return {("x/fam", digest): 1}


def test_a_second_time_nothing_is_sent(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    assert released.run(VERSION, "--prebuilt", env=targets.env).returncode == 0
    before = [(p.blobs, p.files) for p in targets.proxies]
    done = released.run(VERSION, "--prebuilt", "--json", env=targets.env)
    assert json.loads(done.stdout)["sent"] == {"blobs": 0, "bytes": 0, "files": 0, "names": 0}
    assert [(p.blobs, p.files) for p in targets.proxies] == before
    assert targets.names(targets.first) == released.public


def test_a_lost_journal_is_written_anew(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    assert released.run(VERSION, "--prebuilt", env=targets.env).returncode == 0
    known = _facts(released.journal())
    (released.dist / f"release-{VERSION}.jsonl").unlink()
    assert released.run(VERSION, "--prebuilt", env=targets.env).returncode == 0
    assert _facts(released.journal()) == known


def _facts(journal: list[dict[str, object]]) -> set[str]:
    return {
        f"{x['phase']} {x['key']}"
        for x in journal
        if x["event"] == "done" and x["phase"] != "finally"
    }


def test_two_repositories_of_one_registry_share_blobs(targets: Targets, tmp_path: Path) -> None:
    host = targets.first.host
    released = family(tmp_path / "a", [f"{host}/one", f"{host}/two"])
    done = released.run(VERSION, "--prebuilt", env=targets.env)
    assert done.returncode == 0, done.stderr
    assert {path for path, _ in targets.first.blobs} <= {"one/fam", "two/fam"}
    sent = [d for (path, d) in targets.first.blobs if path == "two/fam" and d in released.blobs]
    assert sent == []


def test_a_final_version_never_moves(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    other = targets.family(tmp_path / "b", size=100)
    assert released.run(VERSION, "--prebuilt", env=targets.env).returncode == 0
    (other.dist / "wheels/fam_core-1.2.0-py3-none-any.whl").unlink()
    wheel(other.dist / "wheels", "fam-core", VERSION, b"x = 1\n")
    before = len(targets.first.names), len(targets.index.seen)
    done = other.run(VERSION, "--prebuilt", env=targets.env)
    assert done.returncode == 1
    assert "a final version never moves" in done.stderr
    # all at once: each name in each registry, and the wheel
    assert done.stderr.count("never moves") == 6
    assert "has another fam_core-1.2.0-py3-none-any.whl" in done.stderr
    assert len(targets.first.names) == before[0]
    assert not (other.dist / f"release-{VERSION}.jsonl").exists()
    assert targets.names(targets.first) == released.public


def test_a_descriptive_name_stays_with_the_release_before(targets: Targets, tmp_path: Path) -> None:
    first = targets.family(tmp_path / "a")
    assert first.run(VERSION, "--prebuilt", env=targets.env).returncode == 0
    process.run(["git", "-C", first.root, "tag", f"v{VERSION}"])
    second = family(tmp_path / "b", [f"{targets.first.host}/x"], version="1.2.1", size=10)
    process.run(["git", "-C", second.root, "tag", f"v{VERSION}"])
    done = second.run("1.2.1", "--prebuilt", env=targets.env)
    assert done.returncode == 0, done.stderr
    assert f"{DESCRIPTIVE} stays" in done.stderr
    names = targets.names(targets.first)
    assert names[DESCRIPTIVE] == first.digests["srv"]
    assert names["1.2.1-srv"] == second.digests["srv"]


def test_a_candidate_gives_its_descriptive_name_up(targets: Targets, tmp_path: Path) -> None:
    first = family(tmp_path / "a", [f"{targets.first.host}/x"], version="1.2.0.rc1")
    assert first.run("1.2.0.rc1", "--prebuilt", env=targets.env).returncode == 0
    assert targets.names(targets.first)[DESCRIPTIVE] == first.digests["srv"]
    second = family(tmp_path / "b", [f"{targets.first.host}/x"])
    process.run(["git", "-C", second.root, "tag", "v1.2.0-rc.1"])
    assert second.run(VERSION, "--prebuilt", env=targets.env).returncode == 0
    names = targets.names(targets.first)
    assert names[DESCRIPTIVE] == second.digests["srv"]
    assert names["1.2.0.rc1-srv"] == first.digests["srv"]


def test_a_name_that_holds_something_else_entirely(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    index = {"schemaVersion": 2, "manifests": []}
    kind = "application/vnd.oci.image.index.v1+json"
    answer = httpx.put(
        f"http://{targets.first.host}/v2/x/fam/manifests/{VERSION}",
        content=json.dumps({**index, "mediaType": kind}),
        headers={"Content-Type": kind},
    )
    assert answer.status_code == 201
    done = released.run(VERSION, "--prebuilt", env=targets.env)
    assert done.returncode == 1
    assert f"x/fam:{VERSION} is sha256:" in done.stderr


def test_candidates_of_another_try_are_left_alone_until_the_end(
    targets: Targets, tmp_path: Path
) -> None:
    released = targets.family(tmp_path / "a")
    other = family(tmp_path / "b", [f"{targets.first.host}/x"], size=10)
    name = f"docker://{targets.first.host}/x/fam:{VERSION}-candidate.1-slim"
    process.run(["skopeo", "copy", "--dest-tls-verify=false", f"oci:{other.dist}:slim", name])
    done = released.run(VERSION, "--prebuilt", env=targets.env)
    assert done.returncode == 0, done.stderr
    keys = [
        str(x["key"]) for x in released.journal() if x.get("phase") == "candidates" and "key" in x
    ]
    assert keys
    assert all(f"{VERSION}-candidate.2" in k for k in keys)
    assert targets.names(targets.first) == released.public


def test_a_registry_that_takes_no_deletions(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    targets.second.harm = lambda _, m, p: "405" if m == "DELETE" and "manifests" in p else None
    done = released.run(VERSION, "--prebuilt", "--json", env=targets.env)
    assert done.returncode == 0, done.stderr
    (remark,) = json.loads(done.stdout)["remarks"]
    assert remark.startswith(f"{targets.second.host} takes no deletions: 3 temporary names stay")
    names = targets.names(targets.second)
    # they are still what they were, and the other registry has none
    assert {n: d for n, d in names.items() if "candidate" not in n} == released.public
    assert {d for n, d in names.items() if "candidate" in n} == set(released.digests.values())
    assert targets.names(targets.first) == released.public


def test_the_plan_has_every_name_and_writes_nothing(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    before = sorted(released.dist.rglob("*"))
    done = released.run(VERSION, "--prebuilt", "--dry-run", "--json", env=targets.env)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    wanted = {
        f"{p.host}/x/fam:{t}" for p in (targets.first, targets.second) for t in released.public
    }
    assert {n["reference"] for n in plan["names"]} == wanted
    assert {n["state"] for n in plan["names"]} == {"new"}
    assert plan["files"] == sorted(p.name for p in released.files)
    assert plan["git_tag"] == f"v{VERSION}"
    assert sorted(released.dist.rglob("*")) == before
    assert [p.names for p in targets.proxies] == [[], [], []]
    assert targets.uploaded == {}
    text = released.run(VERSION, "--prebuilt", "--dry-run", env=targets.env).stdout
    assert all(name in text for name in wanted)


def test_files_of_another_version_are_refused(targets: Targets, tmp_path: Path) -> None:
    released = targets.family(tmp_path / "a")
    sdist(released.dist / "sdists", "fam-core", "1.1.0")
    done = released.run(VERSION, "--prebuilt", env=targets.env)
    assert done.returncode == 1
    assert "fam_core-1.1.0.tar.gz in dist/ is not of 1.2.0" in done.stderr
    assert targets.uploaded == {}


@pytest.mark.parametrize("algorithm", ["sha256", "md5", "off"])
def test_an_index_that_tells_other_hashes(tmp_path: Path, algorithm: str) -> None:
    with serve_pypi(tmp_path / "index", algorithm=algorithm) as url:
        released = family(tmp_path / "a", (), [url])
        for sent in (4, 0):
            done = released.run(VERSION, "--prebuilt", "--json")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["sent"]["files"] == sent
