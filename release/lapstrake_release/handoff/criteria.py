"""Whether images may be handed to testers, and all that a handoff says of them.

Documents, passed smoke tests and every registry have to agree on the digest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from lapstrake import process
from lapstrake.definition.repository import Repository as Definition
from lapstrake.dist import Build, BuiltImage, read_build
from lapstrake.errors import UserError
from lapstrake.plan.tags import release_tag
from lapstrake.smoke.report import ImageSmoke, SmokeReport, read_report
from lapstrake.version import Version, version_or_none
from lapstrake_release import verdicts
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.handoff.documents import pages_of_parts, read_documents
from lapstrake_release.handoff.facts import Handed, Handoff, Source
from lapstrake_release.journal import journal_path, read_state
from lapstrake_release.problems import Problems
from lapstrake_release.published import Published, chosen_images


def gather(
    definition: Definition,
    dist: Path,
    version: Version,
    registries: Sequence[Referrers],
    names: Collection[str] = (),
    url: str = "",
) -> Handoff:
    """All that a handoff says.

    Args:
        dist: the folder of the build that the version was released from.
        registries: where its images are; at least one.
        names: the images that are handed over; by default all.
        url: `https://HOST/OWNER/NAME` of the repository; may be empty.

    Raises:
        Refusal: every reason why an image can't be handed over.
    """
    chosen = chosen_images(definition, names)
    build, report = read_build(dist), read_report(dist)
    _check_version(build, version, dist)
    gathering = _Gathering(definition, version, registries, build, report)
    images = gathering.images(chosen)
    return Handoff(
        family=definition.family.name,
        version=version.ours,
        source=find_source(definition.root, dist, version, url),
        images=images,
        needed=definition.family.qa.verdicts,
        domain=definition.family.qa.domain,
    )


def find_source(root: Path, dist: Path, version: Version, url: str) -> Source:
    """The commit that a version was built from: its tag's, its journal's, or what is here."""
    tag = f"refs/tags/{version.git_tag}^{{commit}}"
    state = read_state(journal_path(dist, version.ours))
    commit = _git(root, "rev-parse", "-q", "--verify", tag)
    commit = commit or (state.commit if state else "") or _git(root, "rev-parse", "HEAD")
    return Source(url.rstrip("/"), commit, _git(root, "rev-parse", "--show-prefix"))


class _Gathering:
    """Looks at each image, and keeps every problem."""

    def __init__(
        self,
        definition: Definition,
        version: Version,
        registries: Sequence[Referrers],
        build: Build,
        report: SmokeReport | None,
    ) -> None:
        self._definition = definition
        self._version = version
        self._registries = registries
        self._build = build
        self._smoke = {i.name: i for i in (report.images if report else ())}
        self._problems = Problems()

    def images(self, names: Sequence[str]) -> tuple[Handed, ...]:
        """All of them.

        Raises:
            Refusal: something is missing of any.
        """
        places = self._places(names)
        found = [i for name in names if (i := self._image(name, places.get(name, ())))]
        self._problems.check()
        first = self._registries[0]
        given = verdicts.read_all(first, {i.digest for i in found})
        return tuple(replace(i, verdicts=given[i.digest]) for i in found)

    def _image(self, name: str, places: tuple[Published, ...]) -> Handed | None:
        before = len(self._problems.found)
        with self._problems.collected():
            documents = read_documents(self._definition, name)
        with self._problems.collected():
            image = self._build.image(name)
            smoke = _passed(image, self._smoke.get(name))
        with self._problems.collected():
            self._check_places(name, places)
        if len(self._problems.found) > before:
            return None
        parts = pages_of_parts(self._definition, self._definition.image(name))
        owners = self._definition.owners(name)
        return Handed(image, places, documents, smoke, parts, owners)

    def _places(self, names: Sequence[str]) -> dict[str, tuple[Published, ...]]:
        """Each image's tag in each registry; `digest` is empty where there is none."""
        found: dict[str, list[Published]] = {name: [] for name in names}
        tags = [release_tag(self._definition, n, self._version.ours) for n in names]
        for registry in self._registries:
            digests = registry.each(tags, registry.digest)
            for name, tag, digest in zip(names, tags, digests, strict=True):
                place = Published(name, self._version, registry.repository, tag, digest)
                found[name].append(place)
        return {name: tuple(places) for name, places in found.items()}

    def _check_places(self, name: str, places: tuple[Published, ...]) -> None:
        built = {i.name: i.digest for i in self._build.images}.get(name)
        for place in places:
            where = f"{place.repository}:{place.tag}"
            if not place.digest:
                raise UserError(f"{where} is not there", f"lapstrake release {self._version}")
            if built is not None and place.digest != built:
                raise UserError(
                    f"{where} is not what was built and tested here",
                    "hand it over from the dist/ that it was released from",
                    (f"there it is {place.digest}", f"in dist/ {built}"),
                )


def _check_version(build: Build, version: Version, dist: Path) -> None:
    if version_or_none(build.version) != version:
        raise UserError(
            f"{dist} holds {build.version}, not {version}",
            "hand a version over from the dist/ that it was released from",
        )


def _passed(image: BuiltImage, smoke: ImageSmoke | None) -> ImageSmoke:
    """The checks that an image has passed.

    Raises:
        UserError: it has none, has failed one, or another digest was tested.
    """
    hint = f"lapstrake smoke {image.name}"
    if smoke is None or not smoke.checks:
        raise UserError(f"{image.name} was not smoke-tested", hint)
    if smoke.digest != image.digest:
        raise UserError(
            f"the smoke tests of {image.name} are of another digest",
            hint,
            (f"tested is {smoke.digest}", f"in dist/ {image.digest}"),
        )
    if failed := [c.name for c in smoke.failed]:
        raise UserError(f"{image.name} fails its smoke tests: {', '.join(failed)}", hint)
    if not smoke.count("passed"):
        raise UserError(f"no smoke test of {image.name} has passed; all were skipped", hint)
    return smoke


def _git(root: Path, *words: str) -> str:
    result = process.run(["git", "-C", root, *words], check=False)
    return result.stdout.strip() if result.code == 0 else ""
