"""The deploy files of a release: the same as `lapstrake deploy` writes, with the final digests."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from lapstrake.deploy.compose import compose
from lapstrake.deploy.helm import helm
from lapstrake.deploy.ingress import ingress
from lapstrake.deploy.kserve import kserve, serves_v2
from lapstrake.deploy.kubernetes import kubernetes
from lapstrake.deploy.model import Deployable
from lapstrake.errors import UserError
from lapstrake.registry.repository import Repository
from lapstrake.store.store import write_staged
from lapstrake_release.job import Job

FOLDER = "deploy"

_Text = Callable[[], str]


def deploy_files(job: Job) -> tuple[Path, ...]:
    """Write every deploy file into dist/deploy/; what was written, sorted.

    None, where the release goes to no registry. A file that can't be made is left out, and is a
    line in the summary: it keeps nobody from releasing.
    """
    if not job.targets.registries:
        return ()
    stem = f"{job.built.family}-{job.version.ours}"
    found = []
    for name, text in _files(job, job.targets.registries[0]):
        path = job.dist / FOLDER / f"{stem}-{name}.yaml"
        try:
            content = text().encode()
        except UserError as error:
            job.remark(f"{path.name} is left out: {error.message}")
            continue
        write_staged(path, content)
        found.append(path)
    return tuple(sorted(found))


def _files(job: Job, repository: Repository) -> Iterator[tuple[str, _Text]]:
    """The end of each file's name, and what makes it: one of each kind for all, then by image."""
    images = [Deployable.of_build(job.built, i, str(repository)) for i in job.built.images]
    served = [i for i in images if serves_v2(i)]
    routed = [i for i in images if i.ports]
    if images:
        yield "values", functools.partial(helm, images)
    if served:
        yield "kserve", functools.partial(kserve, served)
    if routed:
        yield "ingress", functools.partial(ingress, routed)
    for image in images:
        if image.services:
            yield f"{image.name}-kubernetes", functools.partial(kubernetes, [image])
            yield f"{image.name}-compose", functools.partial(compose, [image])
