"""The demo, twice: all of it, then next to nothing."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from lapstrake.definition.load import load
from lapstrake.dist import Build, read_build
from lapstrake.smoke.report import SMOKE_NAME, SmokeReport
from lapstrake.store.store import default_root

TOP = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]


def demo() -> str:
    """Run it and give its table; what else it says is shown where it fails."""
    done = subprocess.run(
        ["setup/demo.sh"],
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def pushed(build: Build) -> dict[str, str]:
    """The digest that the demo's registry has for each tag."""
    tags = default_root() / "demo-registry/docker/registry/v2/repositories/demo"
    found = (tags / build.family / "_manifests/tags").glob("*/current/link")
    return {p.parts[-3]: p.read_text() for p in found}


def registries() -> list[str]:
    """The command lines of the demo's registries that run now."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().decode(errors="replace")
            if "demo-registry.yml" in line:
                found.append(line)
    return found


def test_the_demo_ends_with_a_family_that_passed_and_was_pushed() -> None:
    demo()
    build = read_build(TOP / "dist")
    smoke = SmokeReport.model_validate_json((TOP / "dist" / SMOKE_NAME).read_bytes())
    assert {i.name for i in build.images} == load(TOP).default
    assert {i.name: i.digest for i in smoke.images} == {i.name: i.digest for i in build.images}
    assert smoke.failed == ()
    tags = pushed(build)
    assert {t: tags.get(t) for i in build.images for t in i.tags} == {
        t: i.digest for i in build.images for t in i.tags
    }

    again = demo()
    assert "(0 built now)" in again
    repeated = SmokeReport.model_validate_json((TOP / "dist" / SMOKE_NAME).read_bytes())
    assert repeated.images == smoke.images, "what had passed was not run again"
    for image in build.images:
        assert f"\n{image.name} " in again
    assert not registries(), "the registry was left running"
