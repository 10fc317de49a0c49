"""Two caches and a registry: what one pushes the other needn't build; nothing wrong is taken."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lapstrake.build import build
from lapstrake.dist import Build
from lapstrake.engines.local.engine import LocalEngine
from lapstrake.errors import UserError
from lapstrake.layers.kinds import FileEntry, Files, Layer, Run
from lapstrake.plan.model import Plan
from lapstrake.registry.client import MANIFEST, RegistryClient, sha256_of
from lapstrake.registry.repository import Repository
from lapstrake.report.progress import JsonLines
from lapstrake.share import pull as pulling
from lapstrake.share.artifact import pack, tag_of
from lapstrake.share.pull import Fetched
from lapstrake.share.push import Pushed, push
from lapstrake.store.records import LayerRecord
from lapstrake.store.store import Store
from support.registry import free_port, serve_registry
from support.tinyimages import image

IMAGES = (image("a", "shared", "one"), image("b", "shared", "two"))
PLAN = Plan("fam", "1", "linux/amd64", 1_700_000_000, IMAGES)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The registry's folder."""
    return tmp_path / "registry"


@pytest.fixture
def repository(data: Path) -> Iterator[Repository]:
    with serve_registry(data) as host:
        yield Repository(host, "fam/cache")


@pytest.fixture
def second(tmp_path: Path) -> Store:
    """Another machine's cache."""
    return Store(tmp_path / "second")


def made(store: Store, out: Path, plan: Plan = PLAN) -> Build:
    with JsonLines() as progress:
        return build(plan, LocalEngine(), store, out, progress, 2)


def pushed(store: Store, repository: Repository, plan: Plan = PLAN) -> Pushed:
    with JsonLines() as progress:
        return push(plan, store, repository, progress)


def pulled(store: Store, repository: Repository, plan: Plan = PLAN) -> Fetched:
    with JsonLines() as progress:
        return pulling.pull(plan, store, repository, progress)


def states(found: Build) -> set[str]:
    return {layer.state for i in found.images for layer in i.layers}


def digests(found: Build) -> list[str]:
    return [i.digest for i in found.images]


def record_of(store: Store, layer: Layer) -> LayerRecord:
    record = store.record(layer.id)
    assert record is not None
    return record


def put(repository: Repository, record: LayerRecord, *blobs: bytes) -> None:
    """Push a record as somebody might who means harm; with the blobs that it names."""
    artifact = pack(record)
    with RegistryClient(repository) as client:
        for blob in (*blobs, artifact.config):
            client.upload(sha256_of(blob), blob)
        client.put_manifest(artifact.tag, artifact.manifest)


def test_a_second_machine_builds_nothing(
    repository: Repository, store: Store, second: Store, tmp_path: Path
) -> None:
    first = made(store, tmp_path / "d1")
    sent = pushed(store, repository)
    assert (sent.sent, sent.there, sent.lacking, sent.other) == (3, 0, 0, [])
    assert sent.bytes == sum(p.stat().st_size for p in (store.root / "blobs/sha256").iterdir())
    again = pushed(store, repository)
    assert (again.sent, again.there, again.bytes) == (0, 3, 0)
    fetched = pulled(second, repository)
    assert (fetched.pulled, fetched.there, fetched.missing, fetched.refused) == (3, 0, [], [])
    assert fetched.bytes == sent.bytes
    found = made(second, tmp_path / "d2")
    assert states(found) == {"reused"}
    assert digests(found) == digests(first)
    # and has nothing new to tell
    assert pushed(second, repository).there == 3
    assert list((second.root / "tmp").iterdir()) == []


def test_only_what_is_lacking_is_asked(
    repository: Repository, store: Store, second: Store, tmp_path: Path
) -> None:
    made(store, tmp_path / "d1", replace(PLAN, images=IMAGES[:1]))
    sent = pushed(store, repository)
    assert (sent.sent, sent.lacking) == (2, 1)
    made(second, tmp_path / "d2", replace(PLAN, images=IMAGES[1:]))
    fetched = pulled(second, repository)
    assert (fetched.pulled, fetched.there, fetched.missing) == (1, 2, [])
    third = Store(tmp_path / "third")
    fetched = pulled(third, repository)
    assert (fetched.pulled, fetched.missing) == (2, ["file two"])


def test_what_a_layer_is_made_from_is_asked_only_where_it_lacks(
    repository: Repository, store: Store, second: Store, tmp_path: Path
) -> None:
    below = IMAGES[0].layers
    run = Run("run", below, (), ("true",), (), 1)
    plan = replace(PLAN, images=(replace(IMAGES[0], layers=(run,)),))
    made(store, tmp_path / "d1")
    [blob] = record_of(store, below[0]).blobs
    pushed(store, repository)
    fetched = pulled(second, repository, plan)
    # the layer itself isn't there: what its commands run over is
    assert (fetched.pulled, fetched.missing) == (2, ["run"])
    store.commit(LayerRecord(run.id, "run", "run", (blob,), run.inputs(), 0.0))
    pushed(store, repository, plan)
    third = Store(tmp_path / "third")
    fetched = pulled(third, repository, plan)
    assert (fetched.pulled, fetched.missing) == (1, [])
    assert third.record(below[1].id) is None


def test_damaged_bytes_are_refused_and_built_here(
    repository: Repository, data: Path, store: Store, second: Store, tmp_path: Path
) -> None:
    first = made(store, tmp_path / "d1")
    pushed(store, repository)
    bad = IMAGES[0].layers[0]
    [blob] = record_of(store, bad).blobs
    name = blob.digest.removeprefix("sha256:")
    [stored] = data.glob(f"data/**/{name}/data")
    stored.write_bytes(stored.read_bytes()[:-1] + b"!")
    fetched = pulled(second, repository)
    assert fetched.pulled == 2
    assert [title for title, _ in fetched.refused] == [bad.title]
    assert second.record(bad.id) is None
    assert not second.holds(blob)
    assert list((second.root / "tmp").iterdir()) == []
    found = made(second, tmp_path / "d2")
    assert digests(found) == digests(first)
    built = {x.id for i in found.images for x in i.layers if x.state == "built"}
    assert built == {bad.id}


def hostile(record: LayerRecord, layer: Layer, **blob: object) -> LayerRecord:
    changed = replace(record.blobs[0], **blob)  # type: ignore[arg-type]
    return replace(record, id=layer.id, blobs=(changed,), inputs=layer.inputs())


def test_another_layer_under_a_tag_is_refused(
    repository: Repository, store: Store, second: Store, tmp_path: Path
) -> None:
    made(store, tmp_path / "d1")
    pushed(store, repository)
    asked, other = IMAGES[0].layers
    with RegistryClient(repository) as client:
        manifest = client.manifest(tag_of(other.id))
        assert manifest is not None
        client.put_manifest(tag_of(asked.id), manifest)
    fetched = pulled(second, repository)
    assert fetched.refused == [(asked.title, "its record is that of another layer")]
    assert second.record(asked.id) is None
    # the next push mends it
    assert pushed(store, repository).sent == 1
    assert pulled(second, repository).pulled == 1


def test_what_a_record_says_of_a_blob_is_checked(
    repository: Repository, store: Store, second: Store, tmp_path: Path
) -> None:
    made(store, tmp_path / "d1")
    pushed(store, repository)
    layer = IMAGES[0].layers[0]
    record = record_of(store, layer)
    wrong = f"sha256:{'0' * 64}"
    for field, value, what in (
        ("diff_id", wrong, "diffID"),
        ("unpacked", record.blobs[0].unpacked + 1, "unpacked size"),
        ("unpacked", 1, "unpacked size"),
        ("toc", wrong, "table of contents"),
    ):
        put(repository, hostile(record, layer, **{field: value}))
        fetched = pulled(second, repository)
        expected = f"its blob has another {what} than its record says"
        assert fetched.refused == [(layer.title, expected)]
        assert second.record(layer.id) is None
    # nor is it believed of a blob that is there already
    made(second, tmp_path / "d2")
    (second.root / "layers" / f"{layer.id}.json").unlink()
    fetched = pulled(second, repository)
    assert [title for title, _ in fetched.refused] == [layer.title]


@pytest.mark.parametrize(
    "content",
    [b"no layer", gzip.compress(b"no tar", mtime=0), b""],
    ids=["text", "gzip", "nothing"],
)
def test_a_blob_that_is_no_layer(
    repository: Repository, store: Store, second: Store, tmp_path: Path, content: bytes
) -> None:
    made(store, tmp_path / "d1")
    layer = IMAGES[0].layers[0]
    diff_id = f"sha256:{hashlib.sha256(b'no tar').hexdigest()}"
    bad = hostile(
        record_of(store, layer),
        layer,
        digest=sha256_of(content),
        size=len(content),
        diff_id=diff_id,
        unpacked=6,
    )
    put(repository, bad, content)
    fetched = pulled(second, repository)
    assert [title for title, _ in fetched.refused] == [layer.title]
    assert second.record(layer.id) is None


def test_what_others_use_stays(
    repository: Repository, store: Store, second: Store, tmp_path: Path
) -> None:
    made(store, tmp_path / "d1")
    pushed(store, repository)
    made(second, tmp_path / "d2")
    layer, other = IMAGES[0].layers
    # as if the layer weren't reproducible
    mine = replace(record_of(second, layer), blobs=record_of(second, other).blobs)
    second.commit(mine)
    sent = pushed(second, repository)
    assert (sent.sent, sent.there, sent.other) == (0, 3, [layer.title])
    third = Store(tmp_path / "third")
    pulled(third, repository)
    assert record_of(third, layer).blobs == record_of(store, layer).blobs


def test_something_else_in_the_repository(
    repository: Repository, store: Store, second: Store, tmp_path: Path
) -> None:
    made(store, tmp_path / "d1")
    layer = IMAGES[0].layers[0]
    other = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}
    empty = {"mediaType": "application/x", "digest": sha256_of(b"{}"), "size": 2}
    with RegistryClient(repository) as client:
        client.upload(sha256_of(b"{}"), b"{}")
        data = json.dumps({**other, "config": empty}).encode()
        client.put_manifest(tag_of(layer.id), data)
    fetched = pulled(second, repository)
    assert fetched.refused == [(layer.title, "its tag names something else than a layer")]


def test_pushes_and_pulls_at_once(
    repository: Repository, store: Store, second: Store, tmp_path: Path
) -> None:
    layers = tuple(
        Files(f"f{n}", (FileEntry.of(f"/srv/{n}", bytes([n]) * 100_000),)) for n in range(12)
    )
    plan = replace(PLAN, images=(replace(IMAGES[0], layers=layers),))
    made(store, tmp_path / "d1", plan)
    made(second, tmp_path / "d2", plan)
    third = Store(tmp_path / "third")
    errors: list[BaseException] = []

    def attempt(work: object, *args: object) -> None:
        try:
            work(*args)  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    works = [(pushed, store), (pushed, second), (pushed, store), (pulled, third), (pulled, third)]
    threads = [
        threading.Thread(target=attempt, args=(work, cache, repository, plan))
        for work, cache in works
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    fetched = pulled(third, repository, plan)
    assert (fetched.missing, fetched.refused) == ([], [])
    assert digests(made(third, tmp_path / "d3", plan)) == digests(
        made(store, tmp_path / "d1", plan)
    )
    assert list((third.root / "tmp").iterdir()) == []


def test_a_blob_that_changed_in_the_cache_is_not_pushed(
    repository: Repository, store: Store, tmp_path: Path
) -> None:
    made(store, tmp_path / "d1")
    layer = IMAGES[0].layers[0]
    blob = store.blob(record_of(store, layer).blobs[0].digest)
    content = blob.read_bytes()
    blob.unlink()
    blob.write_bytes(content[:-1] + b"!")
    with pytest.raises(UserError, match="isn't what its name says") as error:
        pushed(store, repository)
    assert "cache verify --repair" in error.value.hint
    with RegistryClient(repository) as client:
        assert client.manifest(tag_of(layer.id)) is None


def test_a_registry_that_is_down(store: Store, tmp_path: Path) -> None:
    made(store, tmp_path / "d1")
    down = Repository(f"127.0.0.1:{free_port()}", "fam/cache")
    for work in (pushed, pulled):
        with pytest.raises(UserError, match="nothing answers at"):
            work(store if work is pushed else Store(tmp_path / "new"), down)
