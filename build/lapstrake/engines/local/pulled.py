"""Images in registries: fetched by digest into the cache, their layers used as they are."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.layers.kinds import Pulled
from lapstrake.layers.tarread import open_layer
from lapstrake.skopeo import tls
from lapstrake.store.records import GZIP_LAYER, Blob
from lapstrake.store.store import Store, writing

Json = dict[str, object]

_READ = 1 << 20

# What layers are called, and what they are called in an OCI manifest.
_PLAIN_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MEDIA_TYPES = {
    GZIP_LAYER: GZIP_LAYER,
    _PLAIN_LAYER: _PLAIN_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": GZIP_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar": _PLAIN_LAYER,
}


@dataclass(frozen=True)
class FetchedImage:
    """An image in the cache: its config, and each layer's file, media type and diffID in turn."""

    config: Json
    layers: tuple[tuple[Path, str, str], ...]

    @property
    def files(self) -> list[Path]:
        """The layers' files, bottom to top."""
        return [file for file, _, _ in self.layers]


def pull_root(layer: Pulled, store: Store) -> tuple[tuple[Blob, ...], Json]:
    """The layers of an image in a registry, adopted by the store as they are; and its config.

    Raises:
        UserError: it can't be had, or isn't what its digest and diffIDs say.
    """
    image = fetch_image(layer.reference, layer.digest, layer.platform, store)
    blobs = []
    with store.scratch("pull") as work:
        for file, media_type, diff_id in image.layers:
            blob = _blob(file, media_type, diff_id)
            if not store.holds(blob):
                staged = work / "layer"
                _link(file, staged)
                store.adopt(staged, blob.digest)
            blobs.append(blob)
    return tuple(blobs), image.config


def fetch_image(reference: str, digest: str, platform: str, store: Store) -> FetchedImage:
    """An image in a registry, fetched where the cache lacks it.

    It is kept as skopeo's `dir:` has it, since an OCI layout would take another manifest, and so
    another digest, for an image of Docker's own format. skopeo checks each blob by its digest.

    Args:
        reference: where it is found; a tag is of no matter.
        digest: `sha256:…` of its manifest, or of an index.
        platform: `linux/amd64`: which of an index's images.
        store: keeps it.

    Raises:
        UserError: it can't be had.
    """
    operating_system, _, architecture = platform.partition("/")
    place = image_place(digest, platform, store)
    with store.locked(f"image-{place.name}"):
        if not place.is_dir():
            with store.scratch("image") as work:
                args = ["skopeo", "--override-os", operating_system]
                args += _architecture(architecture)
                args += ["copy", "--quiet", *tls(reference, "--src-tls-verify")]
                args += [f"docker://{_name(reference)}@{digest}", f"dir:{work / 'image'}"]
                _pull(args, reference)
                with writing(place.parent):
                    (work / "image").rename(place)
    return _read(place, reference)


def image_place(digest: str, platform: str, store: Store) -> Path:
    """Where the cache keeps an image of a platform."""
    place = store.image(digest)
    _, _, architecture = platform.partition("/")
    if architecture == "amd64":
        return place
    return place.with_name(f"{place.name}-{architecture.replace('/', '-')}")


def _architecture(words: str) -> list[str]:
    name, _, variant = words.partition("/")
    return ["--override-arch", name, *(["--override-variant", variant] if variant else [])]


def _name(reference: str) -> str:
    """A reference without tag and digest."""
    return re.sub(r":[^/:]*$", "", reference.partition("@")[0])


def _pull(args: list[str], reference: str) -> None:
    result = process.run(args, check=False)
    if result.code == 0:
        return
    error = process.failed(result, f"{reference} can't be pulled")
    hint = error.hint or "check the network and the registry"
    if "unauthorized" in result.stderr or "denied" in result.stderr:
        hint = "log in with `skopeo login`"
    elif "manifest unknown" in result.stderr:
        hint = "the registry has it no more: lapstrake lock --upgrade-images"
    raise UserError(error.message, hint, error.details)


def _read(place: Path, reference: str) -> FetchedImage:
    manifest = json.loads((place / "manifest.json").read_bytes())
    if "layers" not in manifest:
        raise UserError(f"{reference} has a manifest of a kind that can't be read here")
    config: dict[str, Any] = json.loads(_file(place, manifest["config"]).read_bytes())
    diff_ids = config.get("rootfs", {}).get("diff_ids", [])
    if len(diff_ids) != len(manifest["layers"]):
        raise UserError(f"{reference} has {len(manifest['layers'])} layers and other diffIDs")
    layers = tuple(
        (_file(place, layer), _media_type(layer["mediaType"], reference), diff_id)
        for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True)
    )
    return FetchedImage(config, layers)


def _file(place: Path, descriptor: dict[str, str]) -> Path:
    return place / descriptor["digest"].removeprefix("sha256:")


def _media_type(found: str, reference: str) -> str:
    if found not in _MEDIA_TYPES:
        raise UserError(
            f"{reference} has a layer of the type {found}, which can't be used",
            "use an image whose layers are compressed with gzip",
        )
    return _MEDIA_TYPES[found]


def _blob(file: Path, media_type: str, diff_id: str) -> Blob:
    """A layer's description; its bytes are checked against its name and diffID."""
    compressed, plain, unpacked = hashlib.sha256(), hashlib.sha256(), 0
    with file.open("rb") as raw:
        while piece := raw.read(_READ):
            compressed.update(piece)
    with open_layer(file) as stream:
        while piece := stream.read(_READ):
            plain.update(piece)
            unpacked += len(piece)
    for what, found, said in (
        ("digest", compressed.hexdigest(), file.name),
        ("diffID", plain.hexdigest(), diff_id.removeprefix("sha256:")),
    ):
        if found != said:
            raise UserError(f"a pulled layer isn't what its {what} says: {said}", "pull it again")
    size = file.stat().st_size
    return Blob(f"sha256:{file.name}", diff_id, size, unpacked, media_type=media_type)


def _link(file: Path, staged: Path) -> None:
    try:
        os.link(file, staged)
    except OSError:
        shutil.copyfile(file, staged)
