"""A verification, as a story: images → files → release → built again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from lapstrake.definition.repository import Repository as Definition
from lapstrake.dist import read_build
from lapstrake.errors import UserError
from lapstrake.report.progress import Progress
from lapstrake.version import Version
from lapstrake_release.files import files_in
from lapstrake_release.job import Registries
from lapstrake_release.journal import journal_path, read_state
from lapstrake_release.names import Names as Registry
from lapstrake_release.phases.check import names_in
from lapstrake_release.targets import Targets
from lapstrake_release.verify.files import check_files
from lapstrake_release.verify.images import check_images
from lapstrake_release.verify.model import Findings
from lapstrake_release.verify.rebuild import check_rebuild
from lapstrake_release.verify.wheels import check_wheels


def verify(
    repo: Definition,
    dist: Path,
    version: Version,
    targets: Targets,
    commit: str,
    progress: Progress,
) -> Findings:
    """Look at all that is public of a version.

    Args:
        repo: the definition.
        dist: what was built; it may be missing, or hold another version.
        version: which.
        targets: where it was released to.
        commit: what to build again; empty for nothing.
        progress: shows what is looked at.

    Raises:
        UserError: a target can't be asked.
    """
    findings = Findings()
    with progress.step("images", "verify images"), _clients(targets) as registries:
        expected = _names(dist, version)
        digests = check_images(registries, targets.registries, version.ours, expected, findings)
    files = _files(dist, version)
    if targets.github:
        from lapstrake_release.verify.draft import check_release

        with progress.step("release", "verify the release on GitHub"):
            own = {n: d for n, d in digests.items() if d}
            sums = check_release(targets.github, repo.root, version.git_tag, own, findings)
        for name, (_, sha256) in files.items():
            findings.same("release", f"{name} in SHA256SUMS", sha256, sums.get(name, ""))
        files = files or _listed(sums)
    with progress.step("files", "verify wheels and source archives"):
        wheels = check_files(targets.indexes, files, findings)
    if wheels and targets.registries:
        with progress.step("same", "verify that images have these wheels"):
            known = {n: d for n, d in digests.items() if d}
            with Registry(targets.registries[0]) as registry:
                check_wheels(registry, known, wheels, _carriers(dist, version), findings)
    if commit:
        check_rebuild(repo.root, version, commit, digests, files, progress, findings)
    return findings


@contextlib.contextmanager
def _clients(targets: Targets) -> Iterator[Registries]:
    with contextlib.ExitStack() as stack:
        yield Registries({r: stack.enter_context(Registry(r)) for r in targets.registries})


def _names(dist: Path, version: Version) -> dict[str, str]:
    """What dist/ says that each name holds, but for names that stayed with another release."""
    try:
        images = names_in(read_build(dist), version.ours)
    except UserError:
        return {}
    state = read_state(journal_path(dist, version.ours))
    given = {k.rpartition(":")[2] for p, k in (state.done if state else {}) if p == "names"}
    return {n: i.digest for i in images for n in i.all if n in i.own or n in given}


def _carriers(dist: Path, version: Version) -> dict[str, set[str]]:
    """What dist/ says of the wheels in images: by file, the public names of those that have it."""
    try:
        build = read_build(dist)
    except UserError:
        return {}
    if Version.parse(build.version) != version:
        return {}
    tags = {i.name: i.tags[:1] for i in build.images}
    wheels = (f for f in build.files if f.kind == "wheel")
    return {f.name: {t for i in f.images for t in tags[i]} for f in wheels}


def _files(dist: Path, version: Version) -> dict[str, tuple[str, str]]:
    """The files in dist/: name -> project and hash."""
    try:
        return {f.name: (f.project, f.sha256) for f in files_in(dist, version)}
    except UserError:
        return {}


def _listed(sums: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The wheels and source archives among the files that a release has checksums of."""
    found = {}
    for name, hashed in sums.items():
        with contextlib.suppress(InvalidWheelFilename, InvalidSdistFilename):
            parse = parse_wheel_filename if name.endswith(".whl") else parse_sdist_filename
            found[name] = (str(parse(name)[0]), hashed)
    return found
