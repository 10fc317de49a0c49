"""`lapstrake deploy` and `lapstrake tags` as whole processes: digests, files, wrong input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from deploy_family import DIGEST, FILES, Write, locked, plan_of

from lapstrake import process
from lapstrake.dist import Build, BuiltImage
from lapstrake.plan.model import ImagePlan
from lapstrake.store.store import Store
from support.registry import free_port, serve_registry
from support.tinyimages import built, image


@pytest.fixture
def root(write: Write) -> Path:
    return locked(write(FILES))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with serve_registry(tmp_path / "registry") as host:
        yield host


def lapstrake(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lapstrake", *args],
        cwd=root,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def answer(root: Path, *args: str) -> str:
    said = lapstrake(root, *args)
    assert said.returncode == 0, said.stderr
    return said.stdout


def reference(text: str) -> str:
    """The image in a Compose file of one service."""
    (service,) = yaml.safe_load(text)["services"].values()
    return str(service["image"])


# --- tags --------------------------------------------------------------------------------------


def test_the_tags_of_one_image_one_a_line(root: Path) -> None:
    assert answer(root, "tags", "slim").splitlines() == ["1.2.0-slim", "serv0.19.0-debian12"]
    assert answer(root, "tags", "full").splitlines() == ["1.2.0", "serv-full0.19.0-debian12"]
    assert answer(root, "tags", "boost").splitlines() == ["1.2.0-boost"]


def test_the_tags_of_all_images_and_what_they_are_of(root: Path) -> None:
    head, *rows = (line.split() for line in answer(root, "tags").splitlines())
    assert head == ["NAME", "TAG"]
    assert ["slim", "serv0.19.0-debian12"] in rows
    assert {name for name, _ in rows} == {i.name for i in plan_of(root).images}
    (slim,) = json.loads(answer(root, "tags", "slim", "--json"))
    assert slim["parts"] == [
        {"name": "serv", "version": "0.19.0", "by": "package:tini"},
        {"name": "debian", "version": "12", "by": "os"},
    ]


# --- where digests come from -------------------------------------------------------------------


def write_build(root: Path, plan: ImagePlan, plan_id: str) -> None:
    """A dist/ that holds an image of a definition."""
    made = BuiltImage(
        name=plan.name,
        description="",
        extends=None,
        digest=DIGEST,
        config=DIGEST,
        size=1,
        layers=(),
        tags=plan.tags,
        tokens=plan.tokens,
        services=plan.services,
        env={},
        python=None,
        requirements=(),
        budget=None,
        smoke={},
        seconds=0,
        plan=plan_id,
    )
    build = Build(
        lapstrake="0",
        family="shop",
        version="1.2.0",
        platform="linux/amd64",
        epoch=0,
        engine="local",
        seconds=0,
        images=(made,),
    )
    (root / "dist").mkdir(exist_ok=True)
    (root / "dist/build.json").write_text(build.model_dump_json())


def test_the_last_build_tells_the_digest_if_it_was_of_this_definition(root: Path) -> None:
    plan = plan_of(root).image("boost")
    nobody = f"127.0.0.1:{free_port()}/team"
    command = ("deploy", "boost", "--format", "compose", "--registry", nobody)
    write_build(root, plan, plan.id)
    assert reference(answer(root, *command)) == f"{nobody}/shop@{DIGEST}"
    write_build(root, plan, "0" * 64)
    said = lapstrake(root, *command)
    assert reference(said.stdout) == f"{nobody}/shop:1.2.0-boost"
    assert said.stderr.startswith("not pinned: ")
    assert len(said.stderr.splitlines()) == 1
    (root / "dist/build.json").write_text('{"format": 0}')
    said = lapstrake(root, *command)
    assert reference(said.stdout) == f"{nobody}/shop:1.2.0-boost"
    assert "dist/build.json can't be read" in said.stderr


def test_the_registry_tells_the_digest_where_no_build_does(
    root: Path, registry: str, tmp_path: Path, store: Store
) -> None:
    made = built(tmp_path / "made", store, image("boost", "x")).images[0]
    target = f"docker://{registry}/team/shop:1.2.0-boost"
    source = f"oci:{tmp_path / 'made'}:boost"
    process.run(["skopeo", "copy", "--dest-tls-verify=false", source, target])
    command = ("deploy", "boost", "--format", "docker", "--registry", f"{registry}/team")
    assert answer(root, *command).split()[-1] == f"{registry}/team/shop@{made.digest}"
    said = lapstrake(root, "deploy", "trees", *command[2:])
    assert said.stdout.split()[-1] == f"{registry}/team/shop:1.2.0-trees"
    there_is_none = f"trees is not pinned: {registry}/team/shop has no 1.2.0-trees yet\n"
    assert said.stderr == there_is_none


def test_the_family_s_own_registry_is_the_default(root: Path) -> None:
    plan = plan_of(root).image("boost")
    write_build(root, plan, plan.id)
    text = answer(root, "deploy", "boost", "--format", "compose")
    assert reference(text) == f"registry.example.com/team/shop@{DIGEST}"


def test_a_file_instead_of_an_answer(root: Path) -> None:
    plan = plan_of(root).image("boost")
    write_build(root, plan, plan.id)
    command = ("deploy", "boost", "--format", "kubernetes")
    assert answer(root, *command, "-o", "out/boost.yaml") == ""
    assert (root / "out/boost.yaml").read_text() == answer(root, *command)
    larger = answer(root, *command, "--storage", "1Ti")
    claim = next(yaml.safe_load_all(larger))
    assert claim["spec"]["resources"]["requests"]["storage"] == "1Ti"


# --- wrong input -------------------------------------------------------------------------------

DOCKER = ("--format", "docker")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("deploy", "boost", "--format", "nomad"), 2, "'nomad' is not one of 'kserve', 'ingress'"),
        (("deploy", "boost"), 2, "Missing option '--format'"),
        (("deploy", "nope", *DOCKER), 1, "there is no image or runtime 'nope'"),
        (("tags", "nope"), 1, "there is no image or runtime 'nope'"),
        (("deploy", *DOCKER), 1, "which image? docker is for those that are named"),
        (("deploy", "base", *DOCKER), 1, "base runs no service: there is nothing to deploy"),
        (("deploy", "worker", "--format", "ingress"), 1, "no service of worker has a port"),
        (("deploy", "boost", *DOCKER, "--registry", "HTTP://x"), 1, "is no repository"),
        (("deploy", "boost", *DOCKER, "--storage", "1Gi"), 1, "--storage goes with"),
        (("deploy", "boost", *DOCKER, "-o", "lapstrake.yaml/x"), 1, "can't be written"),
    ],
)
def test_wrong_input_is_told_in_one_line(
    root: Path, args: tuple[str, ...], code: int, words: str
) -> None:
    plan = plan_of(root)
    named = next((a for a in args if a in {"worker", "base", "boost"}), "boost")
    write_build(root, plan.image(named), plan.image(named).id)
    said = lapstrake(root, *args)
    assert said.returncode == code
    assert words in said.stderr
    assert len([line for line in said.stderr.splitlines() if "rror:" in line]) == 1
    assert said.stdout == ""


def test_nothing_says_where_the_images_are(root: Path) -> None:
    (root / "lapstrake.yaml").write_text("name: shop\nversion: 1.2.0\n")
    said = lapstrake(root, "deploy", "boost", *DOCKER)
    assert said.returncode == 1
    assert "nothing says where the images are pulled from" in said.stderr


def test_a_stale_lock_deploys_nothing(root: Path) -> None:
    shutil.copytree(root / "images/base", root / "images/other")
    said = lapstrake(root, "deploy", "boost", *DOCKER)
    assert said.returncode == 1
    assert "lapstrake.lock is stale" in said.stderr


# --- data --------------------------------------------------------------------------------------

DATA = "extends: base\nvolumes: [/data]\ndata:\n  - {{url: {url}, sha256: '{sha}', path: {path}}}\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "/srv/x"}, "/srv/x is in none of the image's volumes; data are never part"),
        ({"path": "/data"}, "/data is in none of the image's volumes"),
        ({"path": "/data/"}, "is a folder; write the name of the file, too"),
        ({"path": "/data/../etc/x"}, "is no absolute path inside the image"),
        ({"sha": "abc"}, "'abc' is no SHA-256 (64 hexadecimal digits, as sha256sum prints them)"),
        ({"url": "ftp://example.org/x"}, "no address (http:// or https://)"),
        ({"url": "https://me:pw@example.org/x"}, "an address with a login in it"),
    ],
)
def test_data_that_cannot_be(root: Path, change: dict[str, str], words: str) -> None:
    good = {"url": "https://example.org/x", "sha": "a" * 64, "path": "/data/x"}
    path = root / "images/data/image.yaml"
    path.parent.mkdir()
    path.write_text(DATA.format(**good))
    assert "data" in answer(root, "list")
    path.write_text(DATA.format(**{**good, **change}))
    said = lapstrake(root, "list")
    assert said.returncode == 1
    assert said.stderr.startswith("error: images/data/image.yaml:4: ")
    assert words in said.stderr
    assert "geheim" not in said.stderr


def test_two_data_at_one_place(root: Path) -> None:
    for name, sha in (("boost", "a"), ("trees", "b")):
        with (root / f"runtimes/{name}/runtime.yaml").open("a") as file:
            file.write(
                f"data: [{{url: 'https://example.org/x', sha256: '{sha * 64}', "
                "path: /mnt/models/x}]\n"
            )
    said = lapstrake(root, "list")
    assert said.returncode == 1
    words = "images/full/image.yaml:2: two of the runtimes that it unites want other data"
    assert words in said.stderr
