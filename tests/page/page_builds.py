"""Builds of tiny images, as the page has them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from page_facts import checks_of

from lapstrake.dist import Build
from lapstrake.guest.system import SBOM
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.plan.model import ImagePlan
from lapstrake.smoke.report import ImageSmoke, SmokeReport, write_report


def bill(*packages: tuple[str, str, str]) -> list[dict[str, object]]:
    """The packages of an SPDX document, by (purl type, name, version)."""
    return [
        {
            "name": name,
            "versionInfo": version,
            "externalRefs": [{"referenceLocator": f"pkg:{kind}/{name}@{version}"}],
        }
        for kind, name, version in packages
    ]


def with_packages(plan: ImagePlan, packages: object) -> ImagePlan:
    """The image with a system layer whose bill of materials has these packages."""
    data = json.dumps({"packages": packages}).encode()
    layer = Files("system: boot, services, SSH", (FileEntry.of(SBOM, data),))
    return replace(plan, layers=(*plan.layers, layer))


def with_bill(plan: ImagePlan, *packages: tuple[str, str, str]) -> ImagePlan:
    """The image with a system layer whose bill of materials lists (purl type, name, version)."""
    return with_packages(plan, bill(*packages))


def checked(dist: Path, build: Build, *names: str, failed: tuple[str, ...] = ()) -> None:
    """Leave a smoke.json about these images."""
    found = [
        ImageSmoke(name=n, digest=build.image(n).digest, seconds=1, checks=checks_of(n, failed))
        for n in names
    ]
    write_report(
        dist, SmokeReport(lapstrake="1", engine="Engine 1", seconds=2, images=tuple(found))
    )
