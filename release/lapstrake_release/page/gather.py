"""The facts of a page, from what lies in dist/."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lapstrake.dist import Build, BuiltImage, BuiltLayer, read_build
from lapstrake.redact import redact
from lapstrake.smoke.report import CheckResult, SmokeReport, read_report
from lapstrake_release.page.facts import Command, Image, Layer, PageFacts

# What `lapstrake release` leaves of itself, by image: where its tags are, and its digest there.
_References = dict[str, tuple[str, ...]]


def gather(dist: Path, shown_as: str = "dist") -> PageFacts:
    """What dist/ tells of itself: its images, their checks, where a release put them.

    Args:
        dist: the folder of a build.
        shown_as: what the page calls that folder, in the commands that read it.

    Raises:
        UserError: there is no build.
    """
    build = read_build(dist)
    smoke = read_report(dist)
    layers = distinct([(i.name, [_layer(x) for x in i.layers]) for i in build.images])
    number = {x.digest: i for i, x in enumerate(layers)}
    checks = _checks(build, smoke)
    released = _released(dist, build)
    images = tuple(
        _image(i, layers, number, checks.get(i.name), _pulls(i, build, released, shown_as))
        for i in build.images
    )
    return PageFacts(
        family=build.family,
        version=build.version,
        platform=build.platform,
        epoch=build.epoch,
        engine=build.engine,
        lapstrake=build.lapstrake,
        images=images,
        layers=layers,
        tested_by=smoke.engine if smoke and checks else "",
    )


def distinct(images: Sequence[tuple[str, Sequence[Layer]]]) -> tuple[Layer, ...]:
    """Every layer once, those of most images first: what is shared stands together.

    Args:
        images: name and layers of each, in the family's order; of a layer, who has it is set here.
    """
    first: dict[str, Layer] = {}
    users: dict[str, list[str]] = {}
    for name, layers in images:
        for layer in layers:
            first.setdefault(layer.digest, layer)
            if name not in users.setdefault(layer.digest, []):
                users[layer.digest].append(name)
    order = {name: at for at, (name, _) in enumerate(images)}
    place = {digest: at for at, digest in enumerate(first)}
    found = [replace(x, images=tuple(users[x.digest])) for x in first.values()]
    return tuple(
        sorted(
            found,
            key=lambda x: (-len(x.images), [order[n] for n in x.images], place[x.digest]),
        )
    )


def own_bytes(digests: Collection[str], layers: Sequence[Layer]) -> int:
    """Bytes of those layers, of an image with these digests, that no other image has."""
    return sum(x.size for x in layers if x.digest in digests and len(x.images) == 1)


def _checks(build: Build, smoke: SmokeReport | None) -> dict[str, tuple[CheckResult, ...]]:
    """Verdicts about the images as they are now: a test of another digest says nothing of them."""
    digests = {i.name: i.digest for i in build.images}
    found = smoke.images if smoke else ()
    now = (i for i in found if digests.get(i.name) == i.digest)
    return {i.name: tuple(map(_public, i.checks)) for i in now}


def _public(check: CheckResult) -> CheckResult:
    """The check without secrets: a container's log may hold what it was started with."""
    said = {k: redact(v) for k in ("expected", "seen", "why") if (v := getattr(check, k))}
    log = tuple(map(redact, check.log))
    return check.model_copy(update=said | {"log": log}) if said or log else check


def _layer(layer: BuiltLayer) -> Layer:
    return Layer(layer.digest, layer.kind, layer.title, layer.size, layer.unpacked, ())


def _image(
    image: BuiltImage,
    layers: tuple[Layer, ...],
    number: dict[str, int],
    checks: tuple[CheckResult, ...] | None,
    pulls: tuple[Command, ...],
) -> Image:
    return Image(
        name=image.name,
        description=image.description,
        extends=image.extends,
        digest=image.digest,
        config=image.config,
        size=image.size,
        own=own_bytes({x.digest for x in image.layers}, layers),
        layers=tuple(number[x.digest] for x in image.layers),
        budget=image.budget,
        python=image.python,
        services=image.services,
        tags=image.tags,
        pulls=pulls,
        checks=checks,
    )


def _pulls(
    image: BuiltImage, build: Build, released: _References, shown_as: str
) -> tuple[Command, ...]:
    """From where a release has put it; else from the folder of the build."""
    if references := released.get(image.name):
        return pulls_from(references)
    target = f"{build.family}:{image.tags[0]}" if image.tags else f"{build.family}:{image.name}"
    line = f"skopeo copy oci:{shown_as}:{image.name} docker-daemon:{target}"
    return (Command("From the folder of the build, into Docker", line),)


def pulls_from(references: tuple[str, ...]) -> tuple[Command, ...]:
    """`docker pull` of each; those by digest can't change under one's hands, and are called so."""
    return tuple(
        Command("By digest" if "@" in r else "By name", f"docker pull {r}") for r in references
    )


def _released(dist: Path, build: Build) -> _References:
    """Where a finished release of this version has put just these images."""
    try:
        said: Any = json.loads((dist / f"release-{build.version}.json").read_bytes())
        if said["outcome"] != "done":
            return {}
        digests = {i.name: i.digest for i in build.images}
        return {
            str(i["name"]): tuple(map(str, (*i["pinned"], *i["references"])))
            for i in said["images"]
            if i["digest"] == digests.get(i["name"])
        }
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def worst(checks: tuple[CheckResult, ...] | None) -> str:
    """`failed`, `passed`, or `untested`: what the checks of one image amount to."""
    found = Counter(c.verdict for c in checks or ())
    if found["failed"]:
        return "failed"
    return "passed" if found["passed"] else "untested"
