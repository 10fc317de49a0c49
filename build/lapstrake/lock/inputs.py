"""What a lock is made from, by part: pure, and plain JSON. A lock with other inputs is stale."""

from __future__ import annotations

from lapstrake.definition.models import RootSpec
from lapstrake.definition.repository import ImageDef, Repository

Part = dict[str, object]


def lock_inputs(repo: Repository) -> dict[str, Part]:
    """The inputs of every part, sorted by the part's key."""
    found: dict[str, Part] = {"family": {"platform": repo.family.platform}}
    found["python"] = {
        "version": repo.family.python.version,
        "constraints": sorted(set(repo.family.python.constraints)),
        "overrides": sorted(set(repo.family.python.overrides)),
    }
    found["images"] = {"references": references(repo)}
    for image in repo.images.values():
        if image.spec.root is not None:
            found.update([root_part(image, image.spec.root)])
        if image.spec.apt:
            found.update([apt_part(repo, image)])
        found.update([wheels_part(repo, image)])
    if repo.has_projects:
        # what most definitions do without
        from lapstrake.lock.reached import project_part, reached

        found.update(project_part(repo, name, states) for name, states in reached(repo).items())
    return dict(sorted(found.items()))


def root_part(image: ImageDef, spec: RootSpec) -> tuple[str, Part]:
    """The key and the inputs of the root that an image begins with."""
    if spec.image is not None:
        part: Part = {"image": spec.image, "python": spec.python, "glibc": spec.glibc}
    else:
        part = {"suite": spec.suite, "packages": sorted(set(spec.packages))}
    return f"root {image.name}", {**part, "components": sorted(set(spec.components))}


def apt_part(repo: Repository, image: ImageDef) -> tuple[str, Part]:
    """The key and the inputs of an image's `apt`."""
    below = [part.name for part in repo.ancestry(image.name)[:-1]]
    return f"apt {image.name}", {
        "packages": sorted(set(image.spec.apt)),
        "extends": below,
        "runtimes": list(repo.united(image.name)),
    }


def wheels_part(repo: Repository, image: ImageDef) -> tuple[str, Part]:
    """The key and the inputs of an image's Python packages."""
    project, cuda = repo.project(image), image.spec.cuda
    return f"wheels {image.name}", {
        **({"project": project.name} if project else {}),
        **({"cuda": list(cuda.requirements)} if cuda and cuda.requirements else {}),
        "requirements": sorted(set(image.spec.python.requirements)),
        "constraints": sorted(set(image.spec.python.constraints)),
        "extends": image.extends,
        "runtimes": list(repo.united(image.name)),
        "resolution": repo.resolution(image.name),
    }


def references(repo: Repository) -> list[str]:
    """The images in registries that the definition refers to, sorted, without repetitions."""
    found: set[str] = set()
    for image in repo.images.values():
        if image.spec.root is not None and image.spec.root.image is not None:
            found.add(image.spec.root.image)
        found.update(c.image for c in image.spec.copy_ if c.image not in repo.images)
    return sorted(found)
