"""`lapstrake report`, with a real build and a real registry."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from click import Command
from click.testing import CliRunner, Result
from page_builds import checked, with_bill

from lapstrake import process
from lapstrake.dist import Build, BuiltImage
from lapstrake.errors import UserError
from lapstrake.registry.repository import Repository
from lapstrake.store.store import Store
from lapstrake_release import scan, verdicts
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.cli import promote, rollback
from lapstrake_release.cli.report import command
from lapstrake_release.registry import Registry
from lapstrake_release.registry import Repository as Target
from lapstrake_release.verdicts.model import Verdict
from support.registry import serve_registry
from support.tinyimages import built, image

FILES = {
    "lapstrake.yaml": "name: fam\nversion: 1.2.0\n",
    "images/a/image.yaml": "root: {suite: bookworm}\n",
    "images/b/image.yaml": "root: {suite: bookworm}\n",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def family(dist: Path, store: Store, version: str, numpy: str) -> Build:
    """Two images, of which the first carries a bill of materials."""
    a = with_bill(image("a", "shared", numpy), ("pypi", "numpy", numpy))
    said = ("org.opencontainers.image.version", version)
    tagged = [
        replace(i, tags=(f"{version}-{i.name}",), annotations=(*i.annotations, said))
        for i in (a, image("b", "shared"))
    ]
    return built(dist, store, *tagged, version=version)


def push(dist: Path, build: Build, place: str) -> None:
    registry = Registry(Target.parse(place, "fam"))
    for i in build.images:
        registry.push(dist, i, i.tags[0])


def report(repo: Path, *words: str) -> Result:
    return run(command, repo, *words)


def run(what: Command, repo: Path, *words: str) -> Result:
    found = CliRunner().invoke(what, list(words), obj=repo)
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def test_it_writes_one_file_and_says_what_is_in_it(repo: Path, store: Store) -> None:
    build = family(repo / "dist", store, "1.2.0", "2.4.6")
    checked(repo / "dist", build, "a", "b")
    said = report(repo).output
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert "2 images, 3 layers, 48 checks passed" in said
    assert all(i.digest in text for i in build.images)
    assert text.startswith("<!doctype html>")
    # nothing in it depends on when or where it was written
    report(repo, "-o", "again.html")
    assert (repo / "again.html").read_text(encoding="utf-8") == text
    assert str(repo) not in text


def test_where_the_build_lies_is_not_told(repo: Path, store: Store) -> None:
    family(repo / "elsewhere", store, "1.2.0", "2.4.6")
    family(repo / "old", store, "1.1.0", "2.4.5")
    report(repo, "--dist", str(repo / "elsewhere"), "--against", str(repo / "old"))
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert str(repo) not in text
    assert "skopeo copy oci:elsewhere:a" in text


def test_without_npm_s_registry_the_set_up_fails_in_one_line(tmp_path: Path, top: Path) -> None:
    env = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path),
        "npm_config_registry": "http://127.0.0.1:9",
        "npm_config_fetch_retries": "0",
    }
    result = process.run([top / "setup/browser.sh"], env=env, check=False)
    assert result.code == 1
    assert "axe-core 4" in result.stderr
    assert list(tmp_path.rglob("*.js")) == []


def test_against_a_folder(repo: Path, store: Store) -> None:
    family(repo / "dist", store, "1.2.0", "2.4.6")
    family(repo / "old", store, "1.1.0", "2.4.5")
    report(repo, "--against", "old", "-o", "page.html")
    text = (repo / "page.html").read_text(encoding="utf-8")
    assert "Changes since old" in text
    assert "<code>2.4.5</code></td><td><code>2.4.6</code>" in text


def test_with_a_registry_it_compares_with_the_version_before(
    repo: Path, store: Store, tmp_path: Path, address: str
) -> None:
    place = f"{address}/before"
    for version, numpy in (("1.0.0", "2.4.4"), ("1.1.0", "2.4.5"), ("1.2.0.rc1", "2.4.6")):
        push(tmp_path / version, family(tmp_path / version, store, version, numpy), place)
    build = family(repo / "dist", store, "1.2.0", "2.4.6")
    push(repo / "dist", build, place)
    report(repo, "--registry", place)
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert "Changes since 1.1.0" in text
    assert "<code>2.4.5</code></td><td><code>2.4.6</code>" in text
    assert f"docker pull {place}/fam@{build.image('a').digest}" in text
    assert f"docker pull {place}/fam:1.2.0-b" in text
    report(repo, "--registry", place, "--against", "1.0.0")
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert "Changes since 1.0.0" in text
    assert "<code>2.4.4</code></td><td><code>2.4.6</code>" in text


def found(image: BuiltImage, version: str, *findings: scan.Finding) -> scan.Findings:
    return scan.Findings(
        scanner="grype",
        family="fam",
        version=version,
        image=image.name,
        digest=image.digest,
        at=datetime(2026, 11, 20, tzinfo=UTC),
        findings=findings,
    )


def test_vulnerabilities_that_came_and_went_stand_with_the_changes(
    repo: Path, store: Store, tmp_path: Path, address: str
) -> None:
    place = f"{address}/risks"
    old = family(tmp_path / "old", store, "1.1.0", "2.4.5")
    new = family(repo / "dist", store, "1.2.0", "2.4.6")
    push(tmp_path / "old", old, place)
    push(repo / "dist", new, place)
    cve = partial(scan.Finding, package="numpy", version="2", severity="high")
    with Referrers(Repository.parse(f"{place}/fam")) as registry:
        scan.store(registry, found(old.image("a"), "1.1.0", cve(id="CVE-1"), cve(id="CVE-2")))
        report(repo, "--registry", place)
        text = (repo / "report.html").read_text(encoding="utf-8")
        assert "not both were scanned" in text
        # another scanner's name for what was there before is nothing new
        same = cve(id="GHSA-2", aliases=("CVE-2",))
        url = "https://example.org/CVE-3"
        many = [cve(id="CVE-3", package=f"lib{n}", url=url) for n in range(6)]
        scan.store(registry, found(new.image("a"), "1.2.0", same, *many))
    report(repo, "--registry", place)
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert "1\N{NO-BREAK SPACE}vulnerability new, 1 gone" in text
    rows = re.findall(r'<tr class="(new|gone)"><th scope="row">(.*?)</th>.*?</tr>', text)
    assert [(state, re.sub("<.*?>", "", name)) for state, name in rows] == [
        ("new", "CVE-3"),
        ("gone", "CVE-1"),
    ]
    assert f'href="{url}"' in text
    assert "lib0 2, lib1 2, lib2 2, lib3 2 and 2 more" in text


def test_what_the_registry_lacks_is_not_said_to_be_there(
    repo: Path, store: Store, address: str
) -> None:
    build = family(repo / "dist", store, "1.2.0", "2.4.6")
    registry = Registry(Target.parse(f"{address}/lacking", "fam"))
    registry.push(repo / "dist", build.image("b"), "1.2.0-b")
    # another image has the name of ours
    registry.push(repo / "dist", build.image("b"), "1.2.0-a")
    report(repo, "--registry", f"{address}/lacking")
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert f"fam@{build.image('b').digest}" in text
    assert "skopeo copy oci:dist:a" in text
    assert "/fam:1.2.0-a</code>" not in text
    assert "Changes since" not in text


@pytest.mark.parametrize("word", ["1.1.0", "v1.1.0", "production"])
def test_a_version_or_a_channel_needs_no_build_here(
    repo: Path, store: Store, tmp_path: Path, address: str, word: str
) -> None:
    place = f"{address}/alone-{word}"
    (repo / "lapstrake.yaml").write_text(
        f"name: fam\nversion: 1.2.0\nrelease: {{registries: [{place}]}}\n"
        "channels: [{name: production, accepts: [final]}]\n"
    )
    for version, numpy in (("1.0.0", "2.4.4"), ("1.1.0", "2.4.5")):
        built = family(tmp_path / version, store, version, numpy)
        push(tmp_path / version, built, place)
    by = ("--by", "kim", "--why", "x")
    run(promote.command, repo, "1.1.0", "--to", "production", *by)
    said = report(repo, word).output
    assert "2 images, 3 layers" in said
    assert "checks" not in said
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert "<title>fam 1.1.0</title>" in text
    assert all(i.digest in text for i in built.images)
    assert f"docker pull {place}/fam:1.1.0-a" in text
    assert "Changes since 1.0.0" in text
    assert "<code>2.4.4</code></td><td><code>2.4.5</code>" in text
    sizes = {i.name: i.size for i in built.images}
    found = re.findall(r'id="image-(\w)".*?data-value="(\d+)"', text, re.DOTALL)
    assert {n: int(s) for n, s in found} == sizes
    assert "checked" not in text.split("<main>")[1]
    assert "1970" not in text


def test_verdicts_and_scans_stand_on_the_page(repo: Path, store: Store, address: str) -> None:
    build = family(repo / "dist", store, "1.2.0", "2.4.6")
    place = f"{address}/verdicts"
    push(repo / "dist", build, place)
    with Referrers(Repository.parse(f"{place}/fam")) as registry:
        verdicts.give(
            registry,
            Verdict(
                outcome="fail",
                family="fam",
                version="1.2.0",
                image="a",
                digest=build.image("a").digest,
                by="kim",
                note="the demo hangs",
                at=datetime(2026, 11, 20, tzinfo=UTC),
            ),
        )
        scan.store(
            registry,
            found(
                build.image("b"),
                "1.2.0",
                scan.Finding(id="CVE-1", package="p", version="1", severity="high"),
            ),
        )
    report(repo, "--registry", place)
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert "failed by kim" in text
    assert "1 high" in text
    assert "CVE-1" in text
    assert "the demo hangs" in text
    assert "not tested" in text


def test_channels_stand_on_the_page_with_their_history(
    repo: Path, store: Store, tmp_path: Path, address: str
) -> None:
    place = f"{address}/channels"
    builds = {}
    for version, numpy in (("1.2.0.rc1", "2.4.5"), ("1.2.0.rc2", "2.4.6")):
        builds[version] = family(tmp_path / version, store, version, numpy)
        push(tmp_path / version, builds[version], place)
        by = ("--registry", place, "--by", "kim", "--why", f"looks well <{version}>")
        run(promote.command, repo, version, "--to", "staging", *by)
    push(repo / "dist", family(repo / "dist", store, "1.2.0", "2.4.6"), place)
    report(repo, "--registry", place, "--against", "staging")
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert "Changes since staging (1.2.0.rc2)" in text
    assert "<code>staging.2</code>" in text
    assert "looks well &lt;1.2.0.rc2&gt;" in text
    assert "from 1.2.0.rc1" in text
    run(rollback.command, repo, "staging", "--why", "it is slow", "--registry", place)
    registry = Registry(Target.parse(place, "fam"))
    registry.push(tmp_path / "1.2.0.rc2", builds["1.2.0.rc2"].image("a"), "staging-a")
    report(repo, "--registry", place, "--against", "staging")
    text = (repo / "report.html").read_text(encoding="utf-8")
    assert "Changes since staging (1.2.0.rc1)" in text
    assert "rolled back from 1.2.0.rc2" in text
    assert "something else has moved a" in text
    with pytest.raises(UserError, match="has nothing in production"):
        report(repo, "--registry", place, "--against", "production")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--against", "1.1.0"], "1.1.0 is no folder with a build"),
        (
            ["--registry", "{address}/none", "--against", "x"],
            "x is no folder with a build, version",
        ),
        (["--registry", "{address}/none", "--against", "1.1.0"], "has no version 1.1.0"),
        (["--registry", "127.0.0.1:1/none"], "nothing answers at 127.0.0.1:1"),
        (["--dist", "elsewhere"], "holds no build"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_is_missing_is_told_and_nothing_written(
    repo: Path, store: Store, address: str, words: list[str], message: str
) -> None:
    family(repo / "dist", store, "1.2.0", "2.4.6")
    with pytest.raises(UserError, match=message):
        report(repo, *(w.format(address=address) for w in words))
    assert not (repo / "report.html").exists()
