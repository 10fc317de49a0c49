"""That the public wheels are those in the public images."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from typing import BinaryIO, cast

from packaging.utils import parse_wheel_filename

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.store.scratch import temporary_folder
from lapstrake_release.names import Names as Registry
from lapstrake_release.same_wheels import differences, holds, names_wheel
from lapstrake_release.verify.model import Findings

PART = "wheels in images"

_MOST = 3


def check_wheels(
    registry: Registry,
    names: Mapping[str, str],
    wheels: Mapping[str, bytes],
    expected: Mapping[str, Container[str]],
    findings: Findings,
) -> None:
    """Compare each wheel with its files in every image that has them.

    Args:
        registry: any of those that hold the images: what it gives is known by its digest.
        names: public names of the images, and their digests.
        wheels: by the file's name, their content.
        expected: by the same, public names of images that have to have the wheel's files.
        findings: takes what is found.
    """
    comparing = _Comparing(registry, wheels)
    for name, digest in sorted(names.items()):
        for file in sorted(wheels):
            what = f"{file} in {name}"
            try:
                wrong = comparing.wrong(file, digest)
            except process.Stopped:
                raise
            except UserError as error:
                wrong = [error.message]
            if wrong is not None:
                findings.add(PART, what, "; ".join(wrong[:_MOST]))
            elif name in expected.get(file, ()):
                findings.add(PART, what, "is missing")


class _Comparing:
    """Wheels and the layers of images; each pair is compared once."""

    def __init__(self, registry: Registry, wheels: Mapping[str, bytes]) -> None:
        self._registry = registry
        self._wheels = wheels
        self._seen: dict[tuple[str, str], list[str] | None] = {}

    def wrong(self, file: str, image: str) -> list[str] | None:
        """What is wrong with a wheel's files in an image; None where it has none of them."""
        project, version, _, _ = parse_wheel_filename(file)
        for digest, size, title in self._layers(image):
            if names_wheel(title, project, str(version)):
                key = (file, digest)
                if key not in self._seen:
                    self._seen[key] = self._compared(file, digest, size)
                if self._seen[key] is not None:
                    return self._seen[key]
        return None

    def _layers(self, image: str) -> Iterator[tuple[str, int, str]]:
        """Digest, size and title of each layer of wheels, by what the public image itself says."""
        manifest = json.loads(self._registry.manifest(image) or b"{}")
        layers, config = manifest.get("layers", []), manifest.get("config")
        if config is None:
            return
        said = json.loads(self._registry.small_blob(config["digest"], int(config["size"])))
        for layer, made in zip(layers, said.get("history", []), strict=False):
            kind, _, title = str(made.get("created_by", "")).partition(": ")
            if kind == "lapstrake wheels":
                yield layer["digest"], int(layer["size"]), title

    def _compared(self, file: str, digest: str, size: int) -> list[str] | None:
        project, version, _, _ = parse_wheel_filename(file)
        with temporary_folder("layer") as folder:
            path = folder / "layer"
            with path.open("wb") as blob:
                self._registry.download(digest, size, cast("BinaryIO", blob))
            with path.open("rb") as blob:
                if not holds(blob, project, str(version)):
                    return None
            with path.open("rb") as blob:
                return differences(self._wheels[file], blob)
