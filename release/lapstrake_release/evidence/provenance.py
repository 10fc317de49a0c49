"""Where images and wheels come from: in-toto statements with SLSA's provenance (v1).

They are not signed: whoever publishes the release may sign them. They hold no id of a run and no
time, so that the same release has the same statements, whoever builds it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lapstrake_release.evidence.sbom import packages_in
from lapstrake_release.facts import FileFacts, ImageFacts, ReleaseFacts

Json = dict[str, Any]

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"

_BUILDER = "urn:lapstrake:builder"
_BUILD_TYPE = "urn:lapstrake:build:{what}:v1"


def image_provenance(facts: ReleaseFacts, source: str) -> bytes:
    """The statement about all images of a release.

    Args:
        facts: the release; its images lie in dist/.
        source: the address of the repository that `facts.commit` is in; may be empty.
    """
    parameters = {
        "family": facts.family,
        "version": facts.version,
        "platform": facts.platform,
        "images": [image.name for image in facts.images],
    }
    subjects = [s for image in facts.images for s in _image_subjects(facts, image)]
    materials = [_source(facts, source), *_packages(facts)]
    return _statement(facts, "images", subjects, parameters, materials)


def file_provenance(facts: ReleaseFacts, source: str) -> bytes:
    """The statement about wheels and source archives; arguments as `image_provenance` has them."""
    parameters = {
        "version": facts.version,
        "projects": sorted({file.project for file in facts.files}),
    }
    subjects = [_file_subject(file) for file in facts.files]
    return _statement(facts, "python", subjects, parameters, [_source(facts, source)])


def _statement(
    facts: ReleaseFacts,
    what: str,
    subjects: list[Json],
    parameters: Json,
    materials: list[Json],
) -> bytes:
    statement = {
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE.format(what=what),
                "externalParameters": parameters,
                "internalParameters": {"engine": facts.engine, "epoch": facts.epoch},
                "resolvedDependencies": materials,
            },
            "runDetails": {
                "builder": {"id": _BUILDER, "version": {"lapstrake": facts.lapstrake}},
            },
        },
    }
    return json.dumps(statement, indent=1, sort_keys=True).encode() + b"\n"


def _image_subjects(facts: ReleaseFacts, image: ImageFacts) -> Iterable[Json]:
    digest = {"sha256": image.digest.removeprefix("sha256:")}
    tag = image.tags[0] if image.tags else image.name
    places = [p.partition("@")[0] for p in image.pinned] or [facts.family]
    for place in places:
        yield {"name": f"{place}:{tag}", "digest": digest}


def _file_subject(file: FileFacts) -> Json:
    return {"name": file.name, "digest": {"sha256": file.sha256}}


def _source(facts: ReleaseFacts, source: str) -> Json:
    found: Json = {"digest": {"gitCommit": facts.commit}}
    if source:
        found["uri"] = f"git+{source}@refs/tags/{facts.git_tag}"
    return found


def _packages(facts: ReleaseFacts) -> list[Json]:
    """What the images are made of, each once, sorted."""
    found = {}
    for image in facts.images:
        for package in packages_in(facts.dist, image):
            uri = _purl(package)
            digest = _sha256(package)
            if uri and digest:
                found[uri, digest] = {"uri": uri, "digest": {"sha256": digest}}
    return [found[key] for key in sorted(found)]


def _purl(package: Json) -> str:
    for reference in package.get("externalRefs", []):
        if reference.get("referenceType") == "purl":
            return str(reference["referenceLocator"])
    return ""


def _sha256(package: Json) -> str:
    for checksum in package.get("checksums", []):
        if checksum.get("algorithm") == "SHA256":
            return str(checksum["checksumValue"])
    return ""
