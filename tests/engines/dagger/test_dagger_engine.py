"""The real engine: equal digests, a cache that hits, interruption, services, registries."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import dagger
import graphql
import pytest
from dagger_recorder import SCHEMA
from small_family import Family, built_layers, digests, serve_family

from lapstrake.engines.dagger import export, health, image, publish, runtime
from lapstrake.errors import UserError
from support.registry import serve_registry

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.network]

_ENGINE = re.compile(r"DAGGER|^LAPSTRAKE_TOOLCHAIN")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory, toolchain: Path) -> Iterator[Family]:
    """The small family, whose index and registry only this machine can reach."""
    with serve_family(tmp_path_factory.mktemp("family")) as found:
        found.env |= {n: v for n, v in os.environ.items() if _ENGINE.search(n)}
        found.env["LAPSTRAKE_TOOLCHAIN"] = str(toolchain)
        yield found


def build(family: Family, folder: Path, engine: str) -> tuple[dict[str, str], list[str]]:
    """Each image's digest, and the layers that were built, of a build in a cache of its own."""
    said = family.build(folder / "cache", folder / "dist", "--engine", engine)
    assert said.returncode == 0, said.stderr
    return digests(folder / "dist"), built_layers(said.stderr)


def test_both_engines_make_the_same_digests(family: Family, tmp_path: Path) -> None:
    there, built = build(family, tmp_path / "dagger", "dagger")
    here, _ = build(family, tmp_path / "local", "local")
    assert there == here
    assert set(there) == {"base", "full", "one", "slim", "two"}
    assert built


def test_a_second_client_builds_nothing(family: Family, tmp_path: Path) -> None:
    first, _ = build(family, tmp_path / "one", "dagger")
    second, _ = build(family, tmp_path / "two", "dagger")
    assert second == first
    made = json.loads((tmp_path / "two/dist/build.json").read_bytes())
    states = {x["title"]: x["state"] for i in made["images"] for x in i["layers"]}
    assert set(states.values()) == {"reused"}, states
    # each record is the very one that some builder wrote: its own measurement among the rest
    for path in (tmp_path / "one/cache/layers").iterdir():
        assert path.read_bytes() == (tmp_path / "two/cache/layers" / path.name).read_bytes()


def test_a_failing_command_is_told_as_here(family: Family, tmp_path: Path) -> None:
    broken = tmp_path / "repo"
    subprocess.run(["cp", "-r", family.root, broken], check=True)
    file = broken / "runtimes/two/runtime.yaml"
    file.write_text(f'{file.read_text()}run: ["echo before; exit 7"]\n')
    own = Family(broken, family.wheels, family.env, family.mark)
    told = {}
    for engine in ("dagger", "local"):
        said = own.build(tmp_path / engine, tmp_path / "dist", "--engine", engine)
        assert said.returncode == 1
        told[engine] = [x for x in said.stderr.splitlines() if not x.startswith("{")]
    assert told["dagger"] == told["local"]
    assert "exit 7" in told["dagger"][0]
    # what was finished is kept
    assert len(list((tmp_path / "dagger/layers").iterdir())) > 3


def test_an_interruption_ends_what_runs_in_the_engine(family: Family, tmp_path: Path) -> None:
    slow = tmp_path / "repo"
    subprocess.run(["cp", "-r", family.root, slow], check=True)
    file = slow / "runtimes/two/runtime.yaml"
    file.write_text(f'{file.read_text()}run: ["sleep 300"]\n')
    own = Family(slow, family.wheels, family.env, family.mark)
    words, env = own.command(tmp_path / "cache", tmp_path / "dist", "--engine", "dagger")
    child = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        event = json.loads(line)
        if event["event"] == "start" and "sleep 300" in event["title"]:
            break
    time.sleep(2)
    child.send_signal(signal.SIGINT)
    rest = child.stderr.read()
    assert child.wait(timeout=30) == 130
    assert rest.strip().endswith("interrupted")
    assert list((tmp_path / "cache/tmp").iterdir()) == []
    assert not (tmp_path / "dist/build.json").exists()


@pytest.fixture
def here(family: Family, toolchain: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The repository of this project, as its own program would use it."""
    monkeypatch.setenv("LAPSTRAKE_TOOLCHAIN", str(toolchain))
    monkeypatch.setenv("LAPSTRAKE_CACHE", str(tmp_path / "cache"))
    return Path(__file__).parents[3]


@pytest.mark.slow
def test_this_family_is_the_same_in_both(here: Path, tmp_path: Path) -> None:
    found = {}
    for engine in ("local", "dagger"):
        words = [sys.executable, "-m", "lapstrake", "-C", str(here), "build", "--engine", engine]
        env = {**os.environ, "LAPSTRAKE_CACHE": str(tmp_path / engine)}
        subprocess.run([*words, "--out", str(tmp_path / f"{engine}-dist")], env=env, check=True)
        found[engine] = digests(tmp_path / f"{engine}-dist")
    assert found["dagger"] == found["local"]


@pytest.mark.slow
def test_an_image_is_served_published_and_exported(here: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "lapstrake", "-C", str(here), "build", "slim"]
    subprocess.run([*words, "--engine", "local", "--out", str(tmp_path / "dist")], check=True)
    wanted = digests(tmp_path / "dist")["slim"]
    login = ("me", "hunter22")

    async def ask(plain: str, closed: str) -> None:
        async with dagger.connection():
            assert "200" in await health("slim", here)
            said = await image("slim", here).with_exec(["mlserver", "--version"]).stdout()
            assert said.startswith("mlserver, version")
            assert await publish("slim", f"{plain}/x/slim:1", repository=here) == wanted
            password = dagger.dag.set_secret("password", login[1])
            digest = await publish(
                "slim", f"{closed}/x/slim:1", user=login[0], password=password, repository=here
            )
            assert digest == wanted
            with pytest.raises(dagger.ExecError) as refused:
                await publish("slim", f"{closed}/x/slim:2", repository=here)
            assert "wants a login" in refused.value.stderr
            await export("slim", tmp_path / "exported", here)

    with serve_registry(tmp_path / "a") as plain, serve_registry(tmp_path / "b", login) as closed:
        anyio.run(ask, plain, closed)
    index = json.loads((tmp_path / "exported/index.json").read_bytes())
    assert [m["digest"] for m in index["manifests"]] == [wanted]
    for name in ("index.json", "oci-layout"):
        mine, its = (tmp_path / f / name for f in ("exported", "dist"))
        if name == "oci-layout":
            assert mine.read_bytes() == its.read_bytes()


def test_what_is_no_runtime_is_refused(here: Path) -> None:
    with pytest.raises(UserError, match="slim is no runtime"):
        runtime("slim", here)


def test_the_recorded_api_is_the_engines() -> None:
    """What the recorded session answers by is what an engine has."""

    async def ask() -> graphql.GraphQLSchema:
        async with dagger.connection() as connection:
            return await connection.session.get_schema()

    engine, recorded = anyio.run(ask), graphql.build_schema(SCHEMA.read_text())
    for name, kind in recorded.type_map.items():
        if name.startswith("__") or not isinstance(kind, graphql.GraphQLObjectType):
            continue
        its = engine.type_map[name]
        assert isinstance(its, graphql.GraphQLObjectType)
        for field, said in kind.fields.items():
            assert field in its.fields, f"{name}.{field}"
            assert {a: str(x.type) for a, x in said.args.items()} == {
                a: str(x.type) for a, x in its.fields[field].args.items() if a in said.args
            }, f"{name}.{field}"
