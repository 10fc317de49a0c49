"""Phase 1: everything that would be in the way, all at once, before anything is written."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator

from lapstrake.cli.common import open_lock
from lapstrake.dist import Build, read_build
from lapstrake.errors import UserError
from lapstrake.plan.make import make_plan
from lapstrake.projects.model import Project
from lapstrake.registry.client import sha256_of
from lapstrake.registry.repository import Repository
from lapstrake.version import Version
from lapstrake_release import worktree
from lapstrake_release.evidence.publishable import check_publishable
from lapstrake_release.facts import FileFacts
from lapstrake_release.files import files_in, more_files
from lapstrake_release.history import check_new, read_history
from lapstrake_release.indexes.client import IndexClient
from lapstrake_release.indexes.compare import check_beside, check_spelling
from lapstrake_release.indexes.model import Index
from lapstrake_release.job import Job, Registries
from lapstrake_release.names import Names as Registry
from lapstrake_release.phases import draft
from lapstrake_release.places import Names, Place, Verdict, places, verdict
from lapstrake_release.problems import Problems


def check(job: Job) -> None:
    """Raise `Refusal` with all that is in the way."""
    problems = Problems()
    if not job.options.snapshot:
        with problems.collected():
            worktree.check_clean(job.definition.root, job.dist)
        with problems.collected():
            check_new(job.version, read_history(job.definition.root))
    with problems.collected():
        planned_names(job)
    with problems.collected():
        check_publishable(more_files(job.definition))
    projects: tuple[Project, ...] = ()
    with problems.collected():
        projects = job.definition.projects.all
    with problems.collected():
        if job.targets.is_empty:
            raise UserError("there is nowhere to release to", "name targets in `release:`")
    problems.from_all(_target_checks(job, projects))
    problems.check()
    known = _built_already(job)
    if known is not None:
        with problems.collected():
            check_names(job, known)
        with problems.collected():
            check_files(job, files_in(job.dist, job.version))
        problems.check()


def planned_names(job: Job) -> list[Names]:
    """What every image will be called, from the definition alone, or from dist/ if it's prebuilt.

    Raises:
        UserError: there are no images or files to release, or the lock is stale.
    """
    version = job.version.ours
    if job.options.prebuilt:
        return names_in(read_build(job.dist), version)
    if not job.definition.images:
        return []
    plan = make_plan(job.definition, open_lock(job.definition))
    return [Names.of(i.name, "", i.tags, version) for i in plan.images]


def names_in(build: Build, version: str) -> list[Names]:
    """What the images in dist/ are called.

    Raises:
        UserError: they are of another version.
    """
    if Version.parse(build.version).ours != version:
        raise UserError(
            f"dist/ holds {build.version}, not {version}", f"build {version}, or release that"
        )
    found = [Names.of(i.name, i.digest, i.tags, version) for i in build.images]
    for image in found:
        if not image.own:
            raise UserError(f"{image.image} in dist/ has no tag {version}…", "build it again")
    return found


def _built_already(job: Job) -> list[Names] | None:
    """The names with their digests where dist/ holds this version from before."""
    try:
        return names_in(read_build(job.dist), job.version.ours)
    except UserError:
        return None


def _target_checks(job: Job, projects: Iterable[Project]) -> Iterator[Callable[[], None]]:
    for repository in job.targets.registries:
        yield functools.partial(_check_registry, repository)
    for index in job.targets.indexes:
        yield functools.partial(_check_index, index, projects)
    yield functools.partial(draft.check, job)


def _check_registry(repository: Repository) -> None:
    with Registry(repository) as client:
        client.check_push()


def _check_index(index: Index, projects: Iterable[Project]) -> None:
    problems = Problems()
    with IndexClient(index) as client:
        client.check_upload(announced=_is_announced(client, projects))
        for project in projects:
            with problems.collected():
                check_spelling(client, project.name, {project.title, project.stem})
    problems.check()


def _is_announced(client: IndexClient, projects: Iterable[Project]) -> bool:
    """Whether trusted publishing would make a project, by its pending publisher."""
    return client.index.identity is not None and not all(client.files(p.name) for p in projects)


def check_names(job: Job, images: list[Names]) -> dict[Place, Verdict]:
    """See what holds the public names now.

    Returns:
        what is to be done about each.

    Raises:
        Refusal: names of a final version hold something else; all of them are said.
    """
    with job.registries() as registries:
        found = standing(registries, places(job.targets.registries, images), job.version)
    problems = Problems()
    for place, (said, there) in found.items():
        with problems.collected():
            if said == "taken":
                raise UserError(
                    f"{place} is {there[:19]}… already, and a final version never moves",
                    f"release {job.version.ours} from the commit that it is of, or another version",
                )
        if said == "kept":
            job.remark(f"{place} stays {there[:19]}…: a release before has that name")
    problems.check()
    return {place: said for place, (said, _) in found.items()}


def check_files(job: Job, files: Iterable[FileFacts]) -> None:
    """See that every index would have these files beside its own.

    Raises:
        Refusal: with everything that is in the way, in all indexes.
    """
    files = list(files)

    def look(index: Index) -> None:
        with IndexClient(index) as client:
            check_beside(client, files)

    problems = Problems()
    problems.from_all([functools.partial(look, i) for i in job.targets.indexes if files])
    problems.check()


def standing(
    registries: Registries, wanted: Iterable[Place], version: Version
) -> dict[Place, tuple[Verdict, str]]:
    """What is to be done about each place, and the digest that it has now (empty for none)."""
    wanted = list(wanted)
    found: dict[Place, tuple[Verdict, str]] = {}

    def ask(place: Place) -> None:
        there = registries[place.repository].holder(place.name)
        digest = "" if there is None else sha256_of(there)
        found[place] = verdict(place, there, version), digest

    registries.all_at_once([functools.partial(ask, p) for p in wanted])
    return {p: found[p] for p in wanted}
