"""dist/ as a registry: by the distribution specification, and by skopeo."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lapstrake import process
from lapstrake.dist import Build, BuiltImage
from lapstrake.smoke.registry import serve
from lapstrake.store.store import Store
from support.tinyimages import built, image


@pytest.fixture
def build(tmp_path: Path, store: Store) -> Build:
    return built(tmp_path / "dist", store, image("a", "one", "two"), image("b", "two"))


@pytest.fixture
def client(tmp_path: Path, build: Build) -> Iterator[httpx.Client]:
    with (
        serve(tmp_path / "dist", build) as address,
        httpx.Client(base_url=f"http://{address}/v2/", trust_env=False) as client,
    ):
        yield client


@pytest.fixture
def first(build: Build) -> BuiltImage:
    return build.images[0]


def test_it_says_that_it_is_a_registry(client: httpx.Client) -> None:
    assert client.get("").status_code == 200


def test_a_manifest_by_digest_and_by_tag(client: httpx.Client, first: BuiltImage) -> None:
    for reference in (first.digest, first.tags[0]):
        answer = client.get(f"fam/{first.name}/manifests/{reference}")
        assert f"sha256:{hashlib.sha256(answer.content).hexdigest()}" == first.digest
        assert answer.headers["docker-content-digest"] == first.digest
        assert answer.headers["content-type"] == json.loads(answer.content)["mediaType"]


def test_a_blob_whole_and_in_parts(client: httpx.Client, first: BuiltImage) -> None:
    layer = first.layers[0]
    url = f"fam/{first.name}/blobs/{layer.digest}"
    whole = client.get(url)
    assert (whole.status_code, len(whole.content)) == (200, layer.size)
    head = client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == layer.size
    for asked, wanted in (
        ("bytes=10-19", whole.content[10:20]),
        ("bytes=10-", whole.content[10:]),
        ("bytes=-7", whole.content[-7:]),
        (f"bytes=5-{10 * layer.size}", whole.content[5:]),
    ):
        part = client.get(url, headers={"Range": asked})
        assert (part.status_code, part.content) == (206, wanted), asked
        assert part.headers["content-range"].endswith(f"/{layer.size}")


def test_a_part_that_is_not_there(client: httpx.Client, first: BuiltImage) -> None:
    layer = first.layers[0]
    url = f"fam/{first.name}/blobs/{layer.digest}"
    answer = client.get(url, headers={"Range": f"bytes={layer.size}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{layer.size}"


@pytest.mark.parametrize(
    "path",
    [
        "fam/a/manifests/no-such-tag",
        "fam/a/manifests/sha256:" + "0" * 64,
        "fam/a/blobs/sha256:" + "0" * 64,
        "fam/a/blobs/..%2f..%2fbuild.json",
        "fam/a/blobs/sha256:../../build.json",
        "elsewhere",
    ],
)
def test_what_is_not_there(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] in {"MANIFEST_UNKNOWN", "BLOB_UNKNOWN"}


def test_nothing_can_be_written(client: httpx.Client, first: BuiltImage) -> None:
    assert client.post(f"fam/{first.name}/blobs/uploads/").status_code == 501
    assert client.delete(f"fam/{first.name}/manifests/{first.digest}").status_code == 501


def test_skopeo_copies_from_it(tmp_path: Path, build: Build, first: BuiltImage) -> None:
    with serve(tmp_path / "dist", build) as address:
        source = f"docker://{address}/fam/{first.name}@{first.digest}"
        target = f"oci:{tmp_path}/copy:x"
        process.run(["skopeo", "copy", "--src-tls-verify=false", source, target])
    index = json.loads((tmp_path / "copy/index.json").read_text())
    assert index["manifests"][0]["digest"] == first.digest
