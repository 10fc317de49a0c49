"""Running the smoke tests: a definition's own checks, no engine, an interruption."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from image_maker import Maker, service

from lapstrake.errors import UserError
from lapstrake.smoke.engine import LABEL, open_docker
from lapstrake.smoke.report import read_report
from lapstrake.smoke.run import run_smoke
from lapstrake.store.store import Store
from support.tinyimages import built, image

OWN_CHECKS = """
    from lapstrake.smoke.checking import DISTURBING, Failed, Skipped, check

    def never(image):
        return False

    @check("own-passes")
    def passes(ctx):
        assert ctx.guest.need("echo", "hello") == "hello\\n"

    @check("own-fails")
    def fails(ctx):
        raise Failed("the moon", "the sun")

    @check("own-skips")
    def skips(ctx):
        raise Skipped("it is Sunday")

    @check("own-does-not-apply", when=never, why="never does")
    def other(ctx):
        raise AssertionError

    @check("own-is-broken", order=DISTURBING)
    def broken(ctx):
        {}["key"]
"""


def write_checks(folder: Path, text: str) -> Path:
    (folder / "repo/smoke").mkdir(parents=True)
    (folder / "repo/smoke/checks.py").write_text(textwrap.dedent(text))
    return folder / "repo"


def run(dist: Path, root: Path | None = None, names: tuple[str, ...] = (), **more: object) -> None:
    run_smoke(
        dist,
        names,
        root,
        store=Store(),
        jobs=1,
        progress=lambda _: None,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.network
def test_a_definitions_own_checks(maker: Maker, tmp_path: Path) -> None:
    root = write_checks(tmp_path, OWN_CHECKS)
    own = ["own-passes", "own-fails", "own-skips", "own-does-not-apply", "own-is-broken"]
    tested = maker.smoke(maker.image(smoke=(("base", "smoke"),)), [*own, "size"], root)
    found = {c.name: c for c in tested.checks}
    assert list(found) == ["size", *own]
    assert found["own-passes"].verdict == "passed"
    assert (found["own-fails"].expected, found["own-fails"].seen) == ("the moon", "the sun")
    assert found["own-skips"].why == "it is Sunday"
    assert found["own-does-not-apply"].why == "never does"
    assert found["own-is-broken"].seen == "KeyError: 'key'"
    assert [c.name for c in tested.failed] == ["own-fails", "own-is-broken"]


def test_checks_that_cannot_be_loaded(tmp_path: Path, store: Store) -> None:
    root = write_checks(tmp_path, "import nothing_of_that_name\n")
    plan = image("a", "one")
    built(tmp_path / "dist", store, plan.__class__(**{**vars(plan), "smoke": (("a", "smoke"),)}))
    with pytest.raises(UserError, match=r"checks.py can't be loaded: ModuleNotFoundError"):
        run(tmp_path / "dist", root)


def test_a_check_that_does_not_exist(tmp_path: Path, store: Store) -> None:
    built(tmp_path / "dist", store, image("a", "one"))
    with pytest.raises(UserError, match="there is no check ssh-with-keys") as found:
        run(tmp_path / "dist", only=["ssh-with-keys"])
    assert "ssh-with-key," in found.value.hint


def test_an_image_that_was_not_built(tmp_path: Path, store: Store) -> None:
    built(tmp_path / "dist", store, image("a", "one"))
    with pytest.raises(UserError, match="b is not in dist/"):
        run(tmp_path / "dist", names=("b",))


def test_no_engine(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    built(tmp_path / "dist", store, image("a", "one"))
    with pytest.raises(UserError, match="no Docker engine answers") as found:
        run(tmp_path / "dist")
    assert "DOCKER_HOST" in found.value.hint
    assert not (tmp_path / "dist/smoke.json").exists()


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.network
def test_a_part_of_the_checks_is_no_verdict(maker: Maker) -> None:
    tested = maker.smoke(maker.image(), ["size", "no-host-keys"])
    assert [c.verdict for c in tested.checks] == ["passed", "passed"]
    assert read_report(maker.folder / "dist") is None


_INTERRUPTED = """
import sys
from pathlib import Path
from lapstrake.smoke.run import run_smoke
from lapstrake.store.store import Store
show = lambda result: print(result.name, flush=True)
run_smoke(Path(sys.argv[1]), [], None, store=Store(), jobs=2, progress=show)
"""


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.network
def test_an_interruption_leaves_no_container(maker: Maker) -> None:
    # it never answers, so that the test is interrupted while it waits for that
    dist = maker.dist(maker.image([service(command=["sleep", "600"])]))
    args = [sys.executable, "-c", _INTERRUPTED, str(dist)]
    client = open_docker()

    def mine() -> list[str]:
        ours = {"label": f"{LABEL}={child.pid}"}
        found = client.containers.list(all=True, ignore_removed=True, filters=ours)
        return [str(c.id) for c in found]

    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "container-starts\n"
        assert mine()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in err
    assert not mine()
    assert not (dist / "smoke.json").exists()
    client.images.remove(
        f"localhost/{json.loads((dist / 'build.json').read_text())['family']}/base:"
        f"{maker.base.tags[0]}"
    )
