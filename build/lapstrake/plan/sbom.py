"""A software bill of materials, from the lock: SPDX 2.3 as JSON.

It says what the image was made from, by name, version and SHA-256 (which the repository's own
projects don't have before they are built). It holds no time, no address and no name of the image:
two images of the same content have the same bill, and so one blob.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from lapstrake.layers.kinds import digest_of
from lapstrake.lock.model import Deb, Wheel

_Package = dict[str, object]


def sbom(debs: Iterable[Deb], wheels: Iterable[Wheel], distro: str) -> bytes:
    """The document for one image; packages as they are given, Debian's first."""
    packages = [_deb(d, distro) for d in debs] + [_wheel(w) for w in wheels]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "packages of this image",
        "documentNamespace": f"urn:lapstrake:sbom:{digest_of(packages)}",
        "creationInfo": {"created": "1980-01-01T00:00:00Z", "creators": ["Tool: lapstrake"]},
        "packages": packages,
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": p["SPDXID"],
            }
            for p in packages
        ],
    }
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def _deb(deb: Deb, distro: str) -> _Package:
    url = f"pkg:deb/{distro}/{deb.name}@{_quoted(deb.version)}?arch={deb.arch}"
    return spdx_package("deb", f"{deb.name}-{deb.arch}", deb.name, deb.version, url, deb.sha256)


def _wheel(wheel: Wheel) -> _Package:
    url = f"pkg:pypi/{wheel.name}@{_quoted(wheel.version)}"
    return spdx_package("pypi", wheel.name, wheel.name, wheel.version, url, wheel.sha256)


def spdx_package(
    kind: str, own: str, name: str, version: str, url: str, sha256: str = ""
) -> _Package:
    """A package as SPDX has it.

    Args:
        kind: `deb` or `pypi`.
        own: what no other package of the kind is called in the document.
        name: its name, in that version.
        version: as its system writes it.
        url: its package URL (purl).
        sha256: of its file, where that is known.
    """
    return {
        "SPDXID": f"SPDXRef-{kind}-{re.sub(r'[^A-Za-z0-9.-]', '-', own)}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        **({"checksums": [{"algorithm": "SHA256", "checksumValue": sha256}]} if sha256 else {}),
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": url,
            }
        ],
    }


def _quoted(version: str) -> str:
    return version.replace("+", "%2B").replace(":", "%3A").replace("~", "%7E")
