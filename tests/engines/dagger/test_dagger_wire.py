"""Layers as JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from dagger_layers import (
    APT,
    FOREIGN,
    NUMPY,
    OTHERS,
    OWN,
    PACKAGED,
    PROJECT,
    PULLED,
    ROOT,
    layers,
    plan,
)

from lapstrake.definition.load import load
from lapstrake.engines.dagger.wire import (
    Interpreters,
    decode,
    decode_image,
    encode,
    encode_image,
    required,
    sources,
)
from lapstrake.layers.kinds import Files, Layer, Run, Wheels
from lapstrake.lock.file import read_lock
from lapstrake.oci.image import assemble
from lapstrake.plan.make import make_plan
from lapstrake.store.records import Blob, LayerRecord


def there_and_back(layer: Layer, top: Path | None = None) -> Layer:
    known = json.loads(json.dumps(Interpreters.of([layer]).to_json()))
    return decode(encode(layer), top or sources(layer)[0], Interpreters.from_json(known))


def test_every_layer_comes_back_with_its_id(tmp_path: Path) -> None:
    for layer in layers(tmp_path):
        again = there_and_back(layer)
        assert again.id == layer.id
        assert type(again) is type(layer)
        assert again.title == layer.title
        assert [x.id for x in required(again)] == [x.id for x in required(layer)]


def test_every_layer_of_this_repository_comes_back(top: Path) -> None:
    repo = load(top)
    every = make_plan(repo, read_lock(top / "lapstrake.lock"), tuple(repo.images)).layers
    assert {x.kind for x in every} == {"root", "run", "wheels", "files"}
    for layer in every:
        assert there_and_back(layer).id == layer.id


def test_files_are_named_below_their_own_folder(tmp_path: Path) -> None:
    layer = next(x for x in layers(tmp_path / "one") if isinstance(x, Files))
    other = next(x for x in layers(tmp_path / "two") if isinstance(x, Files))
    assert sources(layer) == (
        tmp_path / "one",
        (Path("runtimes/x/run.sh"), Path("shared/[a]*.txt")),
    )
    # no path of this machine is in it, so two checkouts ask for one container
    assert encode(layer) == encode(other)
    assert str(tmp_path) not in encode(layer)
    again = there_and_back(layer, Path("/there"))
    assert isinstance(again, Files)
    assert [e.source for e in again.entries if e.source] == [
        Path("/there/runtimes/x/run.sh"),
        Path("/there/shared/[a]*.txt"),
    ]
    assert [e.data for e in again.entries] == [e.data for e in layer.entries]


def test_an_update_of_the_root_is_no_other_wheels_layer() -> None:
    """A Python in packages travels apart: its version alone is an input."""
    updated = replace(ROOT, epoch=ROOT.epoch + 1)
    other = replace(NUMPY, interpreter=replace(PACKAGED, layers=(updated,)))
    assert encode(other) == encode(NUMPY)
    assert required(NUMPY) == ()
    again = there_and_back(NUMPY)
    assert isinstance(again, Wheels)
    assert again.interpreter is not None
    assert [x.id for x in again.interpreter.layers] == [ROOT.id]


def test_a_project_of_the_repository_stays_one() -> None:
    again = there_and_back(PROJECT)
    assert isinstance(again, Wheels)
    assert again.wheels == (OWN,)
    assert [x.id for x in required(again)] == [ROOT.id]
    plain = replace(PROJECT, wheels=(replace(OWN, own=False),))
    assert there_and_back(plain).id == plain.id != PROJECT.id


def test_a_pulled_python_is_given_as_layers() -> None:
    assert [x.id for x in required(OTHERS)] == [ROOT.id, APT.id, PULLED.id]
    again = there_and_back(OTHERS)
    assert isinstance(again, Wheels)
    assert again.interpreter is not None
    assert again.interpreter.version == FOREIGN.version
    assert [x.id for x in again.interpreter.layers] == [PULLED.id]


def test_layers_below_come_without_their_bytes(tmp_path: Path) -> None:
    run = next(x for x in layers(tmp_path) if isinstance(x, Run) and x.scripts)
    (files,) = [x for x in run.below if isinstance(x, Files)]
    (generated,) = [e for e in files.entries if e.data is not None]
    body = json.loads(encode(run))["layers"][files.id]
    (entry,) = [e for e in body["entries"] if e["path"] == generated.path]
    assert entry["sha256"] == generated.sha256
    assert entry["data"] is None


def test_a_layer_of_another_lapstrake_is_refused() -> None:
    text = encode(APT).replace(f'"id":"{APT.id}"', f'"id":"{"0" * 64}"')
    with pytest.raises(ValueError, match=f"the layer {'0' * 64} is {APT.id} here"):
        decode(text, Path("/"), Interpreters({}))


def test_an_image_is_assembled_from_what_travels(tmp_path: Path) -> None:
    whole = plan(layers(tmp_path))
    blob = Blob(f"sha256:{'a' * 64}", f"sha256:{'b' * 64}", 10, 20, "sha256:c")
    records = {x.id: LayerRecord(x.id, x.kind, x.title, (blob,), {}, 1.0, {}) for x in whole.layers}
    there = decode_image(encode_image(whole))
    one = assemble(whole.images[0], records, whole.platform, whole.epoch)
    other = assemble(there.images[0], records, there.platform, there.epoch)
    assert (other.manifest, other.config) == (one.manifest, one.config)
