"""Where the images of a plan are, and which digests they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from lapstrake.definition.repository import Repository as Definition
from lapstrake.deploy.model import Deployable
from lapstrake.dist import BUILD_NAME, read_build
from lapstrake.errors import UserError
from lapstrake.plan.model import ImagePlan, Plan
from lapstrake.registry.client import RegistryClient, sha256_of
from lapstrake.registry.repository import Repository

Note = Callable[[str], None]


def repository_of(definition: Definition, registry: str | None) -> Repository:
    """Where the family's images are: below `registry`, else below the first that is released to.

    Raises:
        UserError: neither is known, or it is no registry.
    """
    place = registry or next(iter(definition.release.registries), None)
    if place is None:
        raise UserError(
            "nothing says where the images are pulled from",
            "give --registry HOST[:PORT][/PATH], or `release: {registries: […]}` in lapstrake.yaml",
        )
    return Repository.parse(f"{place.rstrip('/')}/{definition.family.name}")


def deployables(plan: Plan, repository: Repository, dist: Path, note: Note) -> list[Deployable]:
    """The images of a plan, each with its digest where the last build or the registry knows it.

    Args:
        plan: what the definition says.
        repository: where the images are.
        dist: the folder of the last build, if there is one.
        note: told of each image whose digest nobody knows, and why.
    """
    known = _built(plan, dist, note)
    unknown = [i for i in plan.images if i.name not in known]
    if unknown:
        known |= dict(_asked(repository, unknown, note))
    return [
        Deployable.of_plan(plan, i, str(repository), known.get(i.name, "")) for i in plan.images
    ]


def _built(plan: Plan, dist: Path, note: Note) -> dict[str, str]:
    """The digests of those images in dist/ that were built from this very definition."""
    if not (dist / BUILD_NAME).is_file():
        return {}
    wanted = {i.name: i.id for i in plan.images}
    try:
        build = read_build(dist)
    except UserError as error:  # of another version of Lapstrake
        note(error.message)
        return {}
    return {i.name: i.digest for i in build.images if i.plan and wanted.get(i.name) == i.plan}


def _asked(
    repository: Repository, images: list[ImagePlan], note: Note
) -> Iterator[tuple[str, str]]:
    """What the registry has under the images' own tags."""
    try:
        with RegistryClient(repository) as client:
            for image in images:
                tag = image.tags[0]
                manifest = client.manifest(tag)
                if manifest is not None:
                    yield image.name, sha256_of(manifest)
                else:
                    note(f"{image.name} is not pinned: {repository} has no {tag} yet")
    except UserError as error:
        note(f"not pinned: {error.message}")
