"""Images as they lie in a folder or a registry: manifest, config and layers' blobs."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapstrake import process
from lapstrake.dist import BUILD_NAME, BuiltLayer, read_build
from lapstrake.errors import UserError
from lapstrake.skopeo import refused, tls

Json = dict[str, Any]

_NAME_KEY = "org.opencontainers.image.ref.name"
_OURS = re.compile(r"lapstrake (?P<kind>[a-z]+): (?P<title>.*)", re.DOTALL)
_REFERENCE = re.compile(r"[^/\s]+(:\d+)?/\S+")


@dataclass(frozen=True)
class LayerBlob:
    """One layer's blob, in the file `blob`.

    `kind` and `title` are what Lapstrake says of it, `number` counts blobs for which that is the
    same. `id`, of the layer that it belongs to, is known in a folder that `lapstrake build` wrote.
    A layer of others has neither kind nor id.
    """

    digest: str
    diff_id: str
    size: int
    blob: Path
    title: str
    kind: str = ""
    id: str = ""
    number: int = 0


@dataclass(frozen=True)
class Image:
    """An image; `name` is what the user called it, layers go from the bottom up."""

    name: str
    digest: str
    config: Json
    annotations: dict[str, str]
    layers: tuple[LayerBlob, ...]


@dataclass(frozen=True)
class Place:
    """What a word of the user's names: one image, or all of a build (by name)."""

    word: str
    images: dict[str, Image]
    is_build: bool


def open_place(word: str, directory: Path, dist: Path, scratch: Path) -> Place:
    """Find out what a word names, and read it.

    Args:
        word: an image of `dist`, DIST:NAME, a folder with a build, or a registry's reference.
        directory: what folders in it are relative to.
        dist: the build that bare names belong to.
        scratch: an empty folder for what a registry sends.

    Raises:
        UserError: it names nothing that is there.
    """
    folder = directory / word
    if (folder / "index.json").is_file():
        return Place(word, _layout(folder), is_build=True)
    before, _, name = word.rpartition(":")
    if before and (directory / before / "index.json").is_file():
        return Place(word, {name: _named(_layout(directory / before), name, before)}, False)
    if _REFERENCE.fullmatch(word) and not folder.exists():
        return Place(word, {word: _pulled(word, scratch)}, is_build=False)
    if not (dist / "index.json").is_file():
        hint = "name an image, a folder with a build, DIST:NAME, or HOST/PATH:TAG"
        raise UserError(f"{dist} holds no build, and {word} is none", hint)
    return Place(word, {word: _named(_layout(dist), word, str(dist))}, is_build=False)


def _named(images: dict[str, Image], name: str, where: str) -> Image:
    if name not in images:
        raise UserError(f"{name} is not in {where}", f"it holds {', '.join(images)}")
    return images[name]


def _layout(folder: Path) -> dict[str, Image]:
    built = _built_layers(folder)
    found = {}
    for entry in _json(folder / "index.json").get("manifests", []):
        digest = str(entry["digest"])
        name = str(entry.get("annotations", {}).get(_NAME_KEY, digest))
        found[name] = _image(name, digest, lambda d: _blob(folder, d), built.get(name, ()))
    return found


def _blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _built_layers(folder: Path) -> dict[str, tuple[BuiltLayer, ...]]:
    if not (folder / BUILD_NAME).is_file():
        return {}
    return {image.name: image.layers for image in read_build(folder).images}


def _pulled(reference: str, scratch: Path) -> Image:
    """An image in a registry, with its bytes as they are there."""
    target = scratch / "image"
    args = ["skopeo", "--override-os", "linux", "copy", "--quiet"]
    args += [*tls(reference, "--src-tls-verify"), f"docker://{reference}", f"dir:{target}"]
    result = process.run(args, check=False)
    if result.code != 0:
        raise refused(result, reference)
    raw = (target / "manifest.json").read_bytes()
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"

    def find(wanted: str) -> Path:
        is_manifest = wanted == digest
        return target / ("manifest.json" if is_manifest else wanted.removeprefix("sha256:"))

    return _image(reference, digest, find, ())


def _image(
    name: str, digest: str, find: Callable[[str], Path], built: tuple[BuiltLayer, ...]
) -> Image:
    manifest = _json(find(digest))
    if "layers" not in manifest:
        raise UserError(f"{name} has a manifest of a kind that can't be read here")
    config = _json(find(str(manifest["config"]["digest"])))
    diffs = config.get("rootfs", {}).get("diff_ids", [])
    if len(diffs) != len(manifest["layers"]):
        raise UserError(f"{name} has {len(manifest['layers'])} layers, and other diffIDs")
    told = _told(config)
    seen: Counter[tuple[str, str]] = Counter()
    layers = []
    for at, (entry, diff) in enumerate(zip(manifest["layers"], diffs, strict=True)):
        kind, title = told[at] if at < len(told) else ("", "")
        layer_id = ""
        if at < len(built) and built[at].digest == entry["digest"]:
            kind, title, layer_id = built[at].kind, built[at].title, built[at].id
        layers.append(
            LayerBlob(
                digest=entry["digest"],
                diff_id=diff,
                size=entry["size"],
                blob=find(entry["digest"]),
                title=title,
                kind=kind,
                id=layer_id,
                number=seen[kind, title],
            )
        )
        seen[kind, title] += 1
    return Image(name, digest, config, manifest.get("annotations") or {}, tuple(layers))


def _told(config: Json) -> list[tuple[str, str]]:
    """Kind and title of each layer, as the config's history tells; no kind for others' layers."""
    found = []
    for step in config.get("history") or []:
        if not step.get("empty_layer"):
            text = str(step.get("created_by", ""))
            match = _OURS.fullmatch(text)
            found.append((match["kind"], match["title"]) if match else ("", text))
    return found


def _json(path: Path) -> Json:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing", "build or pull it again") from None
    except ValueError as error:
        raise UserError(f"{path} can't be read: {error}", "build or pull it again") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} is no manifest, index or config")
    return value
