"""The facts of a release, from what its phases found."""

from __future__ import annotations

from dataclasses import replace

from lapstrake.dist import BuiltImage
from lapstrake.guest.system import SBOM
from lapstrake_release.deploying import deploy_files
from lapstrake_release.facts import FileFacts, ImageFacts, ReleaseFacts
from lapstrake_release.files import more_files
from lapstrake_release.job import Job
from lapstrake_release.phases.build import smoke_facts


def facts_of(job: Job) -> ReleaseFacts:
    """All that is known of a release whose public names were given."""
    built = job.built
    files = tuple(_file(job, f) for f in job.files)
    return ReleaseFacts(
        family=built.family,
        version=job.version.ours,
        git_tag=job.version.git_tag,
        prerelease=job.version.is_prerelease,
        commit=job.commit,
        dist=job.dist,
        platform=built.platform,
        epoch=built.epoch,
        engine=built.engine,
        lapstrake=built.lapstrake,
        job=job.journal.state.job,
        images=tuple(_image(job, i) for i in built.images),
        wheels=tuple(f for f in files if f.kind == "wheel"),
        sdists=tuple(f for f in files if f.kind == "sdist"),
        smoke=smoke_facts(job),
        evidence=tuple(sorted({*more_files(job.definition), *deploy_files(job)})),
    )


def _image(job: Job, image: BuiltImage) -> ImageFacts:
    given = [p for p in job.places if p.image == image.name]
    order = {tag: number for number, tag in enumerate(image.tags)}
    references = [
        str(p)
        for r in job.targets.registries
        for p in sorted((p for p in given if p.repository == r), key=lambda p: order[p.name])
    ]
    return ImageFacts(
        name=image.name,
        description=image.description,
        digest=image.digest,
        config=image.config,
        size=image.size,
        layers=len(image.layers),
        tags=image.tags,
        references=tuple(references),
        pinned=tuple(f"{r}@{image.digest}" for r in job.targets.registries),
        python=image.python,
        ports=image.ports,
        sbom=SBOM if _has_system(image) else "",
    )


def _has_system(image: BuiltImage) -> bool:
    """Whether it has the layer that carries its bill of materials, as all real images have."""
    return any(layer.title.startswith("system:") for layer in image.layers)


def _file(job: Job, file: FileFacts) -> FileFacts:
    return replace(file, urls=tuple(i.page(file.project) for i in job.targets.indexes))
