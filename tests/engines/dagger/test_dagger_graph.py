"""What the engine is asked for: the calls of each layer, by a session that records them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import dagger
import pytest
from dagger_layers import NUMPY, OWN, PLAIN, PROJECT, PULLED, ROOT, layers, plan
from dagger_recorder import (
    Call,
    Chain,
    Failure,
    Session,
    execs,
    layer_of,
    mounted,
    mounts,
    settings_of,
)

from lapstrake.engines.dagger import places
from lapstrake.engines.dagger.engine import DaggerEngine
from lapstrake.engines.dagger.graph import Bench, Toolchain
from lapstrake.engines.dagger.wire import required
from lapstrake.engines.model import Outcome
from lapstrake.errors import UserError
from lapstrake.layers.kinds import Layer
from lapstrake.report.progress import Plain
from lapstrake.store.store import Store

PINNED = f"registry.example.org/toolchain@sha256:{'5' * 64}"


def build(store: Store, *wanted: Layer, toolchain: str = PINNED) -> dict[str, Outcome]:
    engine = DaggerEngine(lambda *_: Toolchain(reference=toolchain))
    with Plain() as progress:
        return engine.build(plan(wanted), store, progress, 4)


def made(session: Session) -> Mapping[str, Chain]:
    """The container of each layer that was asked for, by the layer's id."""
    found: dict[str, Chain] = {}
    for chain in session.asked:
        body = layer_of(chain)
        if body is not None and chain[-1].name == "sync":
            assert body["id"] not in found, "a layer is asked for once"
            found[body["id"]] = chain[:-1]
    return found


def test_each_layer_is_one_program_in_the_toolchain(
    session: Session, store: Store, tmp_path: Path
) -> None:
    every = layers(tmp_path)
    outcomes = build(store, *every)
    assert {o.state for o in outcomes.values()} == {"built"}
    chains = made(session)
    assert set(chains) == {x.id for x in every}
    for layer in every:
        chain = chains[layer.id]
        assert chain[:2] == (
            Call("container", {"platform": "linux/amd64"}),
            Call("from", {"address": PINNED}),
        )
        (program,) = execs(chain)
        assert program.args["args"] == [
            "python3",
            "-m",
            "lapstrake.engines.dagger.inside",
            "make",
            "linux/amd64",
            f"{layer.kind} {layer.title}",
        ]
        assert chain[-1] == Call("directory", {"path": str(places.OUT)})


def test_wheels_are_fetched_at_once_before_any_is_laid_out(
    session: Session, store: Store, tmp_path: Path
) -> None:
    every = layers(tmp_path)
    build(store, *every)
    kinds = {x.id: x.kind for x in every}
    synced = [c[:-1] for c in session.asked if c[-1].name == "sync"]
    fetching = [i for i, c in enumerate(synced) if mounted(c, places.LAYERS) is not None]
    laid_out = [
        i for i, c in enumerate(synced) if kinds.get((layer_of(c) or {}).get("id", "")) == "wheels"
    ]
    assert len(fetching) == 1
    assert len(laid_out) == 3
    assert fetching[0] < min(laid_out)
    (program,) = execs(synced[fetching[0]])
    assert program.args["args"][3:] == ["fetch", "linux/amd64", "4 wheels"]
    # and none of them depends on it
    assert all(mounted(synced[i], places.LAYERS) is None for i in laid_out)


def test_only_what_makes_namespaces_is_privileged(
    session: Session, store: Store, tmp_path: Path
) -> None:
    every = layers(tmp_path)
    build(store, *every)
    privileged = {
        name
        for name, chain in made(session).items()
        if execs(chain)[0].args.get("insecureRootCapabilities")
    }
    titles = {x.title for x in every if x.id in privileged}
    assert titles == {"bookworm", "apt file", "run make", "numpy 1.0", "2 wheels"}


def test_what_lies_below_is_the_result_of_its_own_program(
    session: Session, store: Store, tmp_path: Path
) -> None:
    every = {x.id: x for x in layers(tmp_path)}
    build(store, *every.values())
    chains = made(session)
    for layer in every.values():
        below = {
            p: c for p, c in mounts(chains[layer.id]).items() if p.startswith(str(places.BELOW))
        }
        assert set(below) == {str(places.BELOW / x.id) for x in required(layer)}
        for needed in required(layer):
            assert mounted(chains[layer.id], places.BELOW / needed.id) == chains[needed.id]


def test_only_the_files_of_a_layer_are_sent(session: Session, store: Store, tmp_path: Path) -> None:
    every = layers(tmp_path)
    build(store, *every)
    sent = {
        name: chain for name, chain in made(session).items() if str(places.FILES) in mounts(chain)
    }
    (files,) = [x for x in every if x.kind == "files"]
    assert set(sent) == {files.id}
    host, directory = mounted(sent[files.id], places.FILES) or ()
    assert host == Call("host")
    assert directory.args == {
        "path": str(tmp_path),
        "include": ["runtimes/x/run.sh", r"shared/\[a\]\*.txt"],
    }


def test_the_archive_of_a_project_is_sent_from_the_cache(session: Session, tmp_path: Path) -> None:
    settings = tmp_path / "client.json"
    settings.write_text("{}")
    wheels = tmp_path / "wheels"

    async def ask() -> None:
        async with dagger.connection():
            bench = Bench.of(Toolchain(reference=PINNED), settings, "linux/amd64", wheels)
            await bench.layer(PROJECT, {ROOT.id: bench.layer(ROOT, {})}).sync()

    anyio.run(ask)
    chain = made(session)[PROJECT.id]
    place = f"{OWN.source.sha256}/{OWN.source.filename}"
    host, file = mounted(chain, places.ARCHIVES / place) or ()
    assert (host, file) == (Call("host"), Call("file", {"path": str(wheels / place)}))


def test_our_own_code_is_sent_and_suffices(session: Session, store: Store, tmp_path: Path) -> None:
    build(store, PLAIN)
    (chain,) = made(session).values()
    _, directory = mounted(chain, places.CODE) or ()
    source = Path(directory.args["path"])
    excluded = [source / p for p in directory.args["exclude"]]
    for path in excluded:
        assert path.exists(), "an exclusion that excludes nothing"
    for path in source.glob("lapstrake/**/*.py"):
        if not any(path.is_relative_to(e) for e in excluded):
            target = tmp_path / "code" / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    # every module that is sent, and all that they import within functions
    names = [
        str(p.relative_to(tmp_path / "code").with_suffix("")).replace("/", ".")
        for p in (tmp_path / "code").glob("lapstrake/engines/**/*.py")
    ]
    program = f"import sys; sys.modules['dagger'] = None\nimport {', '.join(names)}"
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path / "code")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr


def test_settings_are_a_secret_that_no_key_goes_by(
    session: Session, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:hunter22@index.example.org/simple/")
    texts: list[str] = []
    session.on_work = lambda chain: texts.append(settings_of(chain))
    build(store, NUMPY)
    (chain,) = made(session).values()
    secret = mounted(chain, places.CARRIED)
    assert secret is not None
    assert secret[-1].name == "secret"
    assert secret[-1].args["cacheKey"] == "lapstrake-client"
    assert "hunter22" not in repr(session.asked)
    assert json.loads(texts[0])["env"]["PIP_INDEX_URL"].startswith("https://me:hunter22@")
    # and nothing of it stays here
    assert not Path(secret[-1].args["uri"].removeprefix("file://")).exists()


def test_volumes_hold_what_is_fetched_and_nothing_that_counts(
    session: Session, store: Store
) -> None:
    build(store, PLAIN)
    (chain,) = made(session).values()
    volumes = {
        path: call.args["cache"][-1].args["key"]
        for path, call in mounts(chain).items()
        if call.name == "withMountedCache"
    }
    assert volumes == {
        str(places.CACHE): "lapstrake-layers",
        str(places.CACHE / "debs"): "lapstrake-packages",
        str(places.CACHE / "wheels"): "lapstrake-wheels",
    }
    assert not any(str(places.OUT).startswith(path) for path in volumes)


def test_what_is_there_is_neither_built_nor_brought(
    session: Session, store: Store, tmp_path: Path
) -> None:
    every = layers(tmp_path)
    build(store, *every[:2])
    session.asked.clear()
    outcomes = build(store, *every[:2])
    assert session.asked == []
    assert {o.state for o in outcomes.values()} == {"reused"}
    # of a layer over them, the engine makes what lies below for itself
    build(store, *every)
    brought = [layer_of(c) for c in session.asked if c[-1].name == "export"]
    assert {b["id"] for b in brought if b} == {x.id for x in every[2:]}


def test_a_result_that_another_build_was_given_counts_as_reused(
    session: Session, store: Store
) -> None:
    session.run = "another"
    assert [o.state for o in build(store, PULLED).values()] == ["reused"]


def test_what_was_finished_before_a_failure_is_kept(
    session: Session, store: Store, tmp_path: Path
) -> None:
    every = layers(tmp_path)

    def work(chain: Chain) -> None:
        body = layer_of(chain)
        if body and body["title"] == "run make":
            said = {"message": "a command failed", "hint": "mend it", "details": ["it said so"]}
            raise Failure(
                "process did not complete",
                _type="EXEC_ERROR",
                cmd=["python3"],
                exitCode=1,
                stdout=f"noise\n{json.dumps({'error': said})}\n",
                stderr="error: a command failed",
            )

    session.on_work = work
    with pytest.raises(UserError) as caught:
        build(store, *every)
    assert (caught.value.message, caught.value.hint) == ("a command failed", "mend it")
    assert caught.value.details == ("it said so",)
    assert store.record(ROOT.id) is not None


def test_an_image_is_assembled_and_imported(session: Session, tmp_path: Path) -> None:
    every = layers(tmp_path)[:2]
    settings = tmp_path / "client.json"
    settings.write_text("{}")

    async def ask() -> None:
        async with dagger.connection():
            bench = Bench.of(
                Toolchain(archive=tmp_path / "toolchain.tar"), settings, "linux/amd64", tmp_path
            )
            results: dict[str, dagger.Directory] = {}
            for layer in every:
                results[layer.id] = bench.layer(layer, results)
            made = bench.assembled(plan(every), results)
            await dagger.dag.container().import_(made.file(places.ARCHIVE)).sync()

    anyio.run(ask)
    (asked,) = session.asked
    assert [c.name for c in asked] == ["container", "import", "sync"]
    archive = asked[1].args["source"]
    assert archive[-1] == Call("file", {"path": places.ARCHIVE})
    assert archive[1].name == "import"
    assert execs(archive)[0].args["args"][-2:] == ["assemble", "image all"]
    for layer in every:
        result = mounted(archive, places.BELOW / layer.id)
        assert result is not None
        assert (layer_of(result) or {})["id"] == layer.id
