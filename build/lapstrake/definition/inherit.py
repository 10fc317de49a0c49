"""What a whole image has of its parts: volumes, data, model formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from lapstrake.definition.deploying import DataSpec, ServesSpec
from lapstrake.definition.repository import ImageDef, Repository
from lapstrake.errors import Problem


def parts_of(repo: Repository, name: str) -> tuple[ImageDef, ...]:
    """What an image is put together from: those below it, those that it unites, itself."""
    chain = repo.ancestry(name)
    return (*chain[:-1], *(repo.images[n] for n in repo.united(name)), chain[-1])


def inherited_volumes(repo: Repository, name: str) -> tuple[str, ...]:
    """The volumes of a whole image, sorted."""
    return tuple(sorted({v for part in parts_of(repo, name) for v in part.spec.volumes}))


def inherited_data(repo: Repository, name: str) -> tuple[DataSpec, ...]:
    """The data of a whole image: an image's own replace those below it at the same path; sorted."""
    found = {d.path: d for part in parts_of(repo, name) for d in part.spec.data}
    return tuple(found[path] for path in sorted(found))


def inherited_serves(repo: Repository, name: str) -> tuple[ServesSpec, ...]:
    """The model formats that a whole image serves, each once, sorted by name."""
    found: dict[str, ServesSpec] = {}
    for part in parts_of(repo, name):
        own = part.spec.serves
        if not own and part.kind == "runtime":
            own = [ServesSpec(format=part.name)]
        found |= {s.format: s for s in own}
    return tuple(found[name] for name in sorted(found))


def data_problems(repo: Repository, image: ImageDef) -> Iterator[Problem]:
    """Data that would lie in the image itself, or two that want one place."""
    volumes = [PurePosixPath(v) for v in inherited_volumes(repo, image.name)]
    seen: set[str] = set()
    for index, data in enumerate(image.spec.data):
        path = PurePosixPath(data.path)
        if not any(v in path.parents for v in volumes):
            text = f"{data.path} is in none of the image's volumes; data are never part of an image"
            hint = f"add `volumes: [{path.parent}]`"
            yield image.problem(text, "data", index, "path", hint=hint)
        if data.path in seen:
            yield image.problem(f"two data files at {data.path}", "data", index, "path")
        seen.add(data.path)
    own = {d.path for d in image.spec.data}
    united = {d.path: d for n in repo.united(image.name) for d in repo.images[n].spec.data}
    for n in repo.united(image.name):
        for data in repo.images[n].spec.data:
            if data != united[data.path] and data.path not in own:
                text = f"two of the runtimes that it unites want other data at {data.path}"
                yield image.problem(text, "runtimes")
