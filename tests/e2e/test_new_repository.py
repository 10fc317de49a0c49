"""What a new author does: begin a repository, add runtimes, lock, build, check, log in, push."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.errors import NotFound

from lapstrake import process
from lapstrake.dist import Build, read_build
from lapstrake.smoke.engine import open_docker
from lapstrake.smoke.report import read_report
from support.registry import serve_registry

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("e2e"),
]


class Author:
    """Someone at a terminal in the repository."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *args: str, code: int = 0, typed: str = "") -> str:
        """Run `lapstrake ARGS`; what it answered and said."""
        done = subprocess.run(
            [sys.executable, "-m", "lapstrake", *args],
            cwd=self.root,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={k: v for k, v in os.environ.items() if k != "COLUMNS"},
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a file as an editor would."""
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    @property
    def build(self) -> Build:
        """What dist/build.json says."""
        return read_build(self.root / "dist")


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Author]:
    """A repository with a runtime from source, and one that can't agree with the others."""
    found = Author(tmp_path_factory.mktemp("author"))
    found.run("init", ".", "--name", "mine")
    process.run(["git", "init", "--quiet", found.root])  # which says what a project's files are
    found.run("new", "runtime", "from-source")
    # published as a source archive alone
    found.edit("runtimes/from-source/runtime.yaml", "requirements: []", "requirements: [docopt]")
    found.run("new", "runtime", "project", "--from", "python")
    found.run("new", "runtime", "old")
    found.edit("runtimes/old/runtime.yaml", "requirements: []", 'requirements: ["numpy<2"]')
    found.edit("runtimes/example/runtime.yaml", "requirements: []", 'requirements: ["numpy>=2.1"]')
    said = found.run("lock", code=1)
    assert "runtimes/example and runtimes/old can't agree" in said
    assert "numpy<2 (runtimes/old/runtime.yaml:4)" in said
    assert "`apart: true`" in said
    assert not (found.root / "lapstrake.lock").exists()
    found.edit("runtimes/old/runtime.yaml", "description:", "apart: true\ndescription:")
    found.run("lock")
    found.run("lock", "--check")
    found.run("build", "--progress", "plain")
    yield found
    images = open_docker().images
    for image in images.list("localhost/mine/*"):
        # an image of the same bytes may have names of other tests, and lose some meanwhile
        for tag in (t for t in image.tags if t.startswith("localhost/mine/")):
            with contextlib.suppress(NotFound):
                images.remove(tag, force=True)


def test_the_lock_has_no_address(author: Author) -> None:
    text = (author.root / "lapstrake.lock").read_text()
    assert "://" not in text
    wheels = json.loads(text)["resolutions"]
    [docopt] = [w for w in wheels["family"]["wheels"] if w["name"] == "docopt"]
    assert docopt["filename"].endswith(".tar.gz")
    assert any(w["name"] == "setuptools" for w in wheels["family"]["build"])


def test_a_family_shares_its_layers(author: Author) -> None:
    images = {i.name: i for i in author.build.images}
    digests = {n: [x.digest for x in i.layers] for n, i in images.items()}
    # all but the system layer on top
    for child, parent in (("slim", "base"), ("from-source", "slim"), ("full", "slim")):
        below = digests[parent][:-1]
        assert digests[child][: len(below)] == below
    whole = set(digests["full"][:-1])
    parts = (set(digests[n][:-1]) for n in ("example", "from-source", "project"))
    assert whole == set().union(*parts)
    # numpy and what is built against it differ in the runtime set apart; the rest is the same
    own = set(digests["old"]) - set(digests["slim"])
    titles = [x.title for x in images["old"].layers if x.digest in own]
    assert [t.split()[0] for t in titles if t.startswith(("numpy", "files"))] == ["numpy", "files"]


def test_every_image_passes_its_checks(author: Author) -> None:
    author.run("smoke", "--quiet", "from-source", "old", "project")
    report = read_report(author.root / "dist")
    assert report is not None
    for image in report.images:
        verdicts = {c.name: c.verdict for c in image.checks}
        assert verdicts["v2-rest-inference"] == "passed"
        assert verdicts["imports"] == "passed"


def test_a_second_build_does_nothing(author: Author) -> None:
    before = {i.name: i.digest for i in author.build.images}
    assert "0 to build" in author.run("plan")
    author.run("build")
    assert {i.name: i.digest for i in author.build.images} == before
    assert {x.state for i in author.build.images for x in i.layers} == {"reused"}


def test_plan_says_why(author: Author) -> None:
    path = "runtimes/from-source/from_source_runtime.py"
    author.edit(path, '"""Read the model', '"""Do read the model')
    said = author.run("plan", "--why", "from-source")
    assert "1 to build" in said
    assert "files /opt/runtimes/from_source_runtime.py changed" in said
    author.edit(path, '"""Do read the model', '"""Read the model')
    assert "0 to build" in author.run("plan", "from-source")


def test_a_shell_and_an_ssh_login(author: Author) -> None:
    said = author.run("shell", "from-source", "python", "-c", "import docopt; print(docopt)")
    assert "/opt/venv/lib/python3.11/site-packages/docopt.py" in said
    said = author.run("shell", "base", "--ssh", "-e", 'A=it\'s "so"', 'printf "<%s>" "$A"')
    assert '<it\'s "so">' in said
    author.run("shell", "base", "sh", "-c", "exit 7", code=7)
    assert author.run("shell", "base", "cat", typed="what is\ntyped\n") == "what is\ntyped\n"


def test_tools_of_others_accept_the_images(author: Author, tmp_path: Path) -> None:
    dist = author.root / "dist"
    said = json.loads(process.run(["skopeo", "inspect", f"oci:{dist}:full"]).stdout)
    assert said["Os"] == "linux"
    assert len(said["Layers"]) == len(author.build.image("full").layers)
    bundle = tmp_path / "bundle"
    process.run(["umoci", "unpack", "--image", f"{dist}:from-source", bundle])
    rootfs = bundle / "rootfs"
    assert (rootfs / "opt/venv/bin/mlserver").stat().st_mode & 0o111
    assert (rootfs / "opt/venv/bin/python").readlink() == Path("/usr/bin/python3")
    assert (rootfs / "usr/bin/passwd").stat().st_mode & 0o4000


def test_docker_pulls_by_digest_what_was_pushed(author: Author, tmp_path: Path) -> None:
    with serve_registry(tmp_path / "registry") as address:
        first = author.run("push", "--registry", f"{address}/team")
        assert "layers sent" in first
        again = author.run("push", "--registry", f"{address}/team")
        assert ", 0 layers sent" in again
        image = author.build.image("full")
        client = open_docker()
        reference = f"{address}/team/mine@{image.digest}"
        client.images.pull(reference)
        try:
            command = ["python", "-c", "import docopt, mlserver, numpy; print(numpy.__version__)"]
            said = client.containers.run(reference, command, remove=True).decode()
            assert int(said.strip().split(".")[0]) >= 2
        finally:
            client.images.remove(reference, force=True)


def test_bad_input_leaves_everything_as_it_was(author: Author) -> None:
    before = {p.name: p.read_bytes() for p in (author.root / "dist").glob("*.json")}
    author.edit("runtimes/old/runtime.yaml", "apart: true", "apart: perhaps")
    said = author.run("build", code=1)
    assert said.startswith("error: runtimes/old/runtime.yaml:2: 'apart' must be true or false")
    author.edit("runtimes/old/runtime.yaml", "apart: perhaps", "apart: true")
    assert {p.name: p.read_bytes() for p in (author.root / "dist").glob("*.json")} == before


def test_no_docker_is_one_line_and_a_hint(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    said = author.run("smoke", "base", code=1)
    assert said.startswith("error: no Docker engine answers")
    assert "Traceback" not in said
