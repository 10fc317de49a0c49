from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource

from lapstrake import process
from lapstrake.dist import read_build
from lapstrake.errors import UserError
from lapstrake.store.store import Store
from support.tinyimages import built, image

# The specification's own schemas, from Debian's package of it
SCHEMAS = Path("/usr/share/gocode/src/github.com/opencontainers/image-spec/schema")


@pytest.fixture
def dist(tmp_path: Path, store: Store) -> Path:
    built(tmp_path / "dist", store, image("a", "x"), image("b", "x", "y"))
    return tmp_path / "dist"


def documents(dist: Path) -> list[tuple[str, dict[str, object]]]:
    index = json.loads((dist / "index.json").read_text())
    layout = json.loads((dist / "oci-layout").read_text())
    found = [("image-index-schema.json", index), ("image-layout-schema.json", layout)]
    for descriptor in index["manifests"]:
        found.append(("content-descriptor.json", descriptor))
        manifest = json.loads(blob(dist, descriptor["digest"]).read_text())
        config = json.loads(blob(dist, manifest["config"]["digest"]).read_text())
        found += [("image-manifest-schema.json", manifest), ("config-schema.json", config)]
    return found


def blob(dist: Path, digest: str) -> Path:
    return dist / "blobs" / "sha256" / digest.removeprefix("sha256:")


def test_everything_validates_against_the_specification(dist: Path) -> None:
    schemas = {p.name: json.loads(p.read_text()) for p in SCHEMAS.glob("*.json")}
    assert len(schemas) >= 7
    pairs = []
    for name, schema in schemas.items():
        resource = Resource.from_contents(schema, default_specification=_draft4())
        pairs += [(name, resource), (schema.get("id", name), resource)]
        # the schemas refer to each other by names below the id's folder
        pairs.append((f"https://opencontainers.org/schema/{name}", resource))
        pairs.append((f"https://opencontainers.org/schema/image/{name}", resource))
    registry: Registry[object] = Registry().with_resources(pairs)
    for name, document in documents(dist):
        jsonschema.Draft4Validator(schemas[name], registry=registry).validate(document)
    broken = dict(documents(dist)[0][1])
    broken["manifests"] = [{"digest": "nonsense"}]
    index = jsonschema.Draft4Validator(schemas["image-index-schema.json"], registry=registry)
    with pytest.raises(jsonschema.ValidationError):
        index.validate(broken)


def _draft4() -> object:
    from referencing.jsonschema import DRAFT4

    return DRAFT4


def test_skopeo_and_umoci_accept_it(dist: Path, tmp_path: Path) -> None:
    said = process.run(["skopeo", "inspect", f"oci:{dist}:b"]).stdout
    assert json.loads(said)["Labels"] == {"org.opencontainers.image.title": "b"}
    bundle = tmp_path / "bundle"
    process.run(["umoci", "unpack", "--image", f"{dist}:b", bundle])
    assert (bundle / "rootfs/srv/x").read_text() == "x"
    assert (bundle / "rootfs/srv/y").read_text() == "y"


def test_blobs_are_links_to_the_cache_and_named_by_their_content(dist: Path, store: Store) -> None:
    build_json = read_build(dist)
    digests = {x.digest for i in build_json.images for x in i.layers}
    assert len(digests) == 2
    for digest in digests:
        assert blob(dist, digest).samefile(store.blob(digest))


def test_a_second_build_changes_no_file(dist: Path, store: Store) -> None:
    files = [p for p in dist.rglob("*") if p.is_file() and p.name != "build.json"]
    before = {p: p.stat().st_mtime_ns for p in files}
    built(dist, store, image("a", "x"), image("b", "x", "y"))
    assert {p: p.stat().st_mtime_ns for p in files} == before


def test_what_no_image_names_any_more_is_removed(dist: Path, store: Store) -> None:
    built(dist, store, image("a", "x"))
    names = {p.name for p in (dist / "blobs/sha256").iterdir()}
    assert len(names) == 3  # manifest, config, layer


def test_a_folder_that_is_something_else_is_refused(tmp_path: Path, store: Store) -> None:
    out = tmp_path / "precious"
    (out / "blobs/sha256").mkdir(parents=True)
    (out / "thesis.tex").write_text("words")
    with pytest.raises(UserError, match="something else"):
        built(out, store, image("a", "x"))
    assert (out / "thesis.tex").read_text() == "words"


def test_another_file_system_gets_copies(store: Store) -> None:
    shm = Path("/dev/shm") / f"lapstrake-{store.root.parent.name}"
    try:
        built(shm, store, image("a", "x"))
        [layer] = read_build(shm).images[0].layers
        assert blob(shm, layer.digest).read_bytes() == store.blob(layer.digest).read_bytes()
    finally:
        shutil.rmtree(shm, ignore_errors=True)


def test_digests_depend_on_nothing_but_the_plan(tmp_path: Path, write: Callable[..., Path]) -> None:
    del write
    one = built(tmp_path / "1", Store(tmp_path / "c1"), image("a", "x", "y"))
    two = built(tmp_path / "2", Store(tmp_path / "c2"), image("a", "x", "y"))
    assert one.images[0].digest == two.images[0].digest


def test_layers_are_plain_tars(dist: Path) -> None:
    [first, *_] = read_build(dist).images[0].layers
    with tarfile.open(blob(dist, first.digest)) as tar:
        assert "srv/x" in tar.getnames()


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}'])
def test_a_build_json_that_cant_be_read_is_a_user_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "build.json").write_text(text)
    with pytest.raises(UserError, match="can't be read"):
        read_build(tmp_path)
