"""A wheel beside the layer that has its files."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from lapstrake.dist import Build, BuiltFile
from lapstrake.errors import UserError
from lapstrake.layers.kinds import Wheels
from lapstrake.layers.wheels_layer import write_wheels
from lapstrake.lock.model import Wheel
from lapstrake.store.store import Store
from lapstrake_release.same_wheels import check_same, differences, holds, names_wheel
from support.tiny import sha256, wheel
from support.tinyimages import built, image

MORE = {
    "one-1.0.data/scripts/run": b"#!python\n",
    "one-1.0.data/purelib/extra.py": b"extra = 1\n",
    "one-1.0.data/data/share/one.txt": b"shared\n",
}


def layer_of(path: Path, folder: Path) -> io.BytesIO:
    locked = Wheel(
        name="one", version="1.0", filename=path.name, sha256=sha256(path), size=path.stat().st_size
    )
    out = folder / f"{sha256(path)}.layer"
    write_wheels(Wheels("one 1.0", "3.11", "2.36", (locked,)), {"one": path}, out)
    return io.BytesIO(out.read_bytes())


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return wheel(tmp_path, "one", "1.0", body=b"x = 1\n", more=MORE)


def test_a_wheel_is_that_of_its_layer(made: Path, tmp_path: Path) -> None:
    assert differences(made.read_bytes(), layer_of(made, tmp_path)) == []
    assert holds(layer_of(made, tmp_path), "one", "1.0")
    assert not holds(layer_of(made, tmp_path), "one", "1.1")


def test_other_bytes_and_missing_files_are_named(made: Path, tmp_path: Path) -> None:
    more = {"one-1.0.data/purelib/extra.py": b"extra = 2\n"}
    other = wheel(tmp_path / "other", "one", "1.0", body=b"x = 2\n", more=more)
    assert differences(made.read_bytes(), layer_of(other, tmp_path)) == [
        "/share/one.txt is missing",
        "extra.py differs",
        "one/__init__.py differs",
    ]


def test_a_wheel_that_belies_its_record_is_none(made: Path, tmp_path: Path) -> None:
    layer = layer_of(made, tmp_path)
    changed = tmp_path / "changed.whl"
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(changed, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry, b"x = 3\n" if entry.filename == "one/__init__.py" else content)
    with pytest.raises(UserError, match=r"one/__init__\.py is not what RECORD says"):
        differences(changed.read_bytes(), layer)
    with pytest.raises(UserError, match="can't be compared"):
        differences(b"no zip", layer)


def test_titles_tell_which_layers_to_look_into() -> None:
    assert names_wheel("one 1.0", "one", "1.0")
    assert names_wheel("12 wheels of full", "one", "1.0")
    assert not names_wheel("one 1.0.1", "one", "1.0")


def build_with(made: Path, layer: bytes, dist: Path, store: Store) -> Build:
    """A build whose only image says that a layer has a wheel, which lies in dist/."""
    build = built(dist, store, image("a", "x"))
    digest = hashlib.sha256(layer).hexdigest()
    (dist / "blobs/sha256" / digest).write_bytes(layer)
    file = BuiltFile(
        kind="wheel",
        name=made.name,
        project="one",
        version="1.0",
        sha256=sha256(made),
        size=made.stat().st_size,
        layers=("1" * 64,),
        images=("a",),
    )
    file.path(dist).parent.mkdir()
    file.path(dist).write_bytes(made.read_bytes())
    (own,) = build.images
    said = own.layers[0].model_copy(update={"id": "1" * 64, "digest": f"sha256:{digest}"})
    return build.model_copy(
        update={"files": (file,), "images": (own.model_copy(update={"layers": (said,)}),)}
    )


def test_what_lies_in_dist_is_what_its_images_have(
    made: Path, tmp_path: Path, store: Store
) -> None:
    build = build_with(made, layer_of(made, tmp_path).getvalue(), tmp_path / "dist", store)
    check_same(build, tmp_path / "dist")
    path = build.files[0].path(tmp_path / "dist")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match=r"in dist/ is not the one that was built"):
        check_same(build, tmp_path / "dist")


def test_an_image_with_other_files_than_its_wheel_is_refused(
    made: Path, tmp_path: Path, store: Store
) -> None:
    other = wheel(tmp_path / "other", "one", "1.0", body=b"x = 2\n", more=MORE)
    build = build_with(made, layer_of(other, tmp_path).getvalue(), tmp_path / "dist", store)
    with pytest.raises(UserError, match=r"is not what a has: one/__init__\.py differs"):
        check_same(build, tmp_path / "dist")
