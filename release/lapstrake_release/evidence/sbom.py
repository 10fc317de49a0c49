"""The bill of materials of one image as it is published: SPDX 2.3 in JSON.

An image carries the list of what it was made from. It can't say there what its own digest is; this
document does, and has that list as what the image contains.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lapstrake.errors import UserError
from lapstrake.inspect.contents import read_file
from lapstrake_release.facts import ImageFacts, ReleaseFacts

Json = dict[str, Any]

_DOCUMENT, _IMAGE = "SPDXRef-DOCUMENT", "SPDXRef-image"


def image_sbom(facts: ReleaseFacts, image: ImageFacts) -> bytes:
    """The document for an image that lies in dist/.

    Raises:
        UserError: dist/ lacks the image, or what it should carry.
    """
    packages = packages_in(facts.dist, image)
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": f"{facts.family} {facts.version}: {image.name}",
        "documentNamespace": f"urn:lapstrake:sbom:{facts.family}:{facts.version}:{image.digest}",
        "creationInfo": {
            "created": timestamp(facts.epoch),
            "creators": [f"Tool: lapstrake-{facts.lapstrake}"],
        },
        "packages": [_image_package(facts, image), *packages],
        "relationships": [
            _relationship(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_relationship(_IMAGE, "CONTAINS", str(p["SPDXID"])) for p in packages),
        ],
    }
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def packages_in(dist: Path, image: ImageFacts) -> list[Json]:
    """The packages of the SPDX document that an image carries; none where it carries none.

    Raises:
        UserError: dist/ lacks the image, or the document can't be read.
    """
    if not image.sbom:
        return []
    path = image.sbom.strip("/")
    for digest in reversed(_layers(dist, image)):
        data = read_file(_blob(dist, digest), path)
        if data is not None:
            return _packages(data, image)
    raise UserError(f"{image.name} has no /{path}", "build it again with this lapstrake")


def _packages(data: bytes, image: ImageFacts) -> list[Json]:
    try:
        document = json.loads(data)
        packages: list[Json] = document["packages"]
        ids = [str(p["SPDXID"]) for p in packages]
    except (ValueError, LookupError, TypeError):
        raise UserError(
            f"{image.name}: {image.sbom} is no SPDX document", "build it again with this lapstrake"
        ) from None
    if len(set(ids)) != len(ids) or {_DOCUMENT, _IMAGE} & set(ids):
        raise UserError(f"{image.name}: {image.sbom} names two packages alike")
    return packages


def _layers(dist: Path, image: ImageFacts) -> list[str]:
    """The digests of an image's layers, from the bottom up."""
    try:
        manifest = json.loads(_blob(dist, image.digest).read_bytes())
        return [str(layer["digest"]) for layer in manifest["layers"]]
    except (OSError, ValueError, LookupError, TypeError):
        raise UserError(
            f"{dist} has no whole image {image.name} ({image.digest})", "build it again"
        ) from None


def _blob(dist: Path, digest: str) -> Path:
    return dist / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _image_package(facts: ReleaseFacts, image: ImageFacts) -> Json:
    return {
        "SPDXID": _IMAGE,
        "name": f"{facts.family}/{image.name}",
        "versionInfo": facts.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [
            {"algorithm": "SHA256", "checksumValue": image.digest.removeprefix("sha256:")}
        ],
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": url,
            }
            for url in _package_urls(facts, image)
        ],
    }


def _package_urls(facts: ReleaseFacts, image: ImageFacts) -> list[str]:
    """`pkg:oci/…`, one for each repository that has the image."""
    digest = image.digest.replace(":", "%3A")
    places = [p.partition("@")[0] for p in image.pinned]
    if not places:
        return [f"pkg:oci/{_last(facts.family)}@{digest}"]
    return [f"pkg:oci/{_last(p)}@{digest}?repository_url={p.replace(':', '%3A')}" for p in places]


def _last(place: str) -> str:
    return re.sub(r"[^a-z0-9._-]", "-", place.rpartition("/")[2].lower())


def _relationship(one: str, kind: str, other: str) -> Json:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def timestamp(epoch: int) -> str:
    """Seconds as SPDX and in-toto write a time."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
