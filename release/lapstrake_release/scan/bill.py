"""What a scanner is told of an image: an SPDX 2.3 document of all that is installed in it.

The bill that an image carries is made before the image is. This one is read out of its layers, and
says what scanners ask for besides: the distribution, and of which source each Debian package was
built (its advisories name the source). Without them, scanners find nothing and say so in no way
that a program would notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lapstrake.dist import BuiltImage
from lapstrake.errors import UserError
from lapstrake.inspect.contents import STATUS, Package, packages_of, read_file
from lapstrake.plan.sbom import spdx_package
from lapstrake_release.beside.artifact import Kind

KIND = Kind("bill", "application/spdx+json")

_RELEASE = ("usr/lib/os-release", "etc/os-release")
_SOURCE = re.compile(r"(?P<name>\S+)(?: \((?P<version>[^)]+)\))?")

_IMAGE = "SPDXRef-image"

Json = dict[str, Any]


@dataclass(frozen=True)
class _Deb:
    """An installed Debian package, and the source that it was built of."""

    name: str
    version: str
    arch: str
    source: str
    source_version: str


def bill_of(dist: Path, image: BuiltImage, family: str, version: str) -> bytes:
    """The document of an image that lies in dist/; the same image has the same.

    Raises:
        UserError: dist/ lacks a layer of it, or it can't be read.
    """
    layers = [dist / "blobs/sha256" / x.digest.removeprefix("sha256:") for x in image.layers]
    for layer in layers:
        if not layer.is_file():
            raise UserError(f"{dist} has no whole image {image.name}", "build it again")
    system = _system(layers)
    debs = list(_debs(_last(layers, (STATUS,)).decode(errors="replace")))
    wheels = {p: v for p, v in packages_of(layers).items() if p.system == "python"}
    packages = [*_system_packages(system), *(_deb(d, system) for d in debs), *_wheels(wheels)]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{family} {version}: {image.name}",
        "documentNamespace": f"urn:lapstrake:contents:{family}:{version}:{image.digest}",
        "creationInfo": {"created": "1980-01-01T00:00:00Z", "creators": ["Tool: lapstrake"]},
        "packages": [_image_package(family, version, image), *packages],
        "relationships": [
            _relationship("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE),
            *(_relationship(_IMAGE, "CONTAINS", str(p["SPDXID"])) for p in packages),
        ],
    }
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def packages_in(bill: bytes) -> int:
    """How many packages a document names; the image and its distribution are none.

    Raises:
        UserError: it is no such document.
    """
    try:
        packages = json.loads(bill)["packages"]
        return sum("primaryPackagePurpose" not in package for package in packages)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UserError("the bill of materials is no SPDX document in JSON") from None


def _last(layers: Sequence[Path], paths: Sequence[str]) -> bytes:
    """A file as the topmost layer that has it holds it; empty where none does."""
    for layer in reversed(layers):
        for path in paths:
            if content := read_file(layer, path):
                return content
    return b""


def _system(layers: Sequence[Path]) -> Mapping[str, str]:
    """`ID` and `VERSION_ID` of the distribution, and whatever else it says of itself."""
    text = _last(layers, _RELEASE).decode(errors="replace")
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _debs(status: str) -> Iterator[_Deb]:
    """The installed packages of dpkg's status file, sorted."""
    found = []
    for paragraph in status.split("\n\n"):
        fields: dict[str, str] = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if not fields.get("Status", "").endswith(" installed") or "Version" not in fields:
            continue
        source = _SOURCE.fullmatch(fields.get("Source", fields["Package"]))
        name = source["name"] if source else fields["Package"]
        version = (source["version"] if source else "") or fields["Version"]
        arch = fields.get("Architecture", "")
        found.append(_Deb(fields["Package"], fields["Version"], arch, name, version))
    yield from sorted(found, key=lambda d: (d.name, d.arch))


def _image_package(family: str, version: str, image: BuiltImage) -> Json:
    return {
        "SPDXID": _IMAGE,
        "name": f"{family}/{image.name}",
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
    }


def _system_packages(system: Mapping[str, str]) -> Iterator[Json]:
    if system.get("ID"):
        yield {
            # by this id trivy knows it
            "SPDXID": "SPDXRef-OperatingSystem",
            "name": system["ID"],
            "versionInfo": system.get("VERSION_ID", ""),
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "primaryPackagePurpose": "OPERATING-SYSTEM",
        }


def _relationship(one: str, kind: str, other: str) -> Json:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _deb(deb: _Deb, system: Mapping[str, str]) -> Json:
    name = system.get("ID", "debian")
    more = {"arch": deb.arch}
    if system.get("VERSION_ID"):
        more["distro"] = f"{name}-{system['VERSION_ID']}"
    if (deb.source, deb.source_version) != (deb.name, deb.version):
        more["upstream"] = f"{deb.source}@{deb.source_version}"
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(more.items()))
    url = f"pkg:deb/{name}/{quote(deb.name, safe='')}@{quote(deb.version, safe='')}?{query}"
    source = f"built package from: {deb.source} {deb.source_version}"
    return spdx_package("deb", f"{deb.name}-{deb.arch}", deb.name, deb.version, url) | {
        "sourceInfo": source
    }


def _wheels(wheels: Mapping[Package, str]) -> Iterator[Json]:
    for package, versions in sorted(wheels.items()):
        for version in versions.split(", "):
            url = f"pkg:pypi/{package.name}@{quote(version, safe='')}"
            yield spdx_package("pypi", f"{package.name}-{version}", package.name, version, url)
