"""What the images ask for, as the resolver is asked: pure, and with where each is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lapstrake.definition.repository import ImageDef, Repository

FAMILY = "family"


@dataclass(frozen=True)
class Wanted:
    """One requirement, the image that has it, and where (`file:line`).

    `said` is what stands there, where that is no requirement.
    """

    text: str
    image: str
    where: str
    said: str = ""

    @property
    def shown(self) -> str:
        """What a person knows it by."""
        return self.said or self.text


@dataclass(frozen=True)
class Demand:
    """All that one resolution must satisfy.

    Attributes:
        name: `family`, or the runtime set apart.
        members: the images whose wheels come from it, sorted.
        images: members and the images below them, sorted: those that have closures.
        local: constraints by which the repository's own projects are found where they lie.
    """

    repo: Repository
    name: str
    members: tuple[str, ...]
    images: tuple[str, ...]
    local: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[Wanted, ...]:
        """Of all its images, each image's in the order written."""
        return self.of(self.images)

    @property
    def constraints(self) -> tuple[str, ...]:
        """The family's, then those of its images; without repetitions."""
        found = list(self.repo.family.python.constraints)
        for name in self.images:
            found += self.repo.images[name].spec.python.constraints
        return tuple(dict.fromkeys((*found, *self.local)))

    @property
    def overrides(self) -> tuple[str, ...]:
        """The family's."""
        return tuple(self.repo.family.python.overrides)

    def of(self, names: Iterable[str]) -> tuple[Wanted, ...]:
        """The requirements of some images alone (not of what lies below them)."""
        return tuple(w for n in names for w in wanted(self.repo, self.repo.images[n]))

    def parts(self, name: str) -> tuple[str, ...]:
        """An image, all below it and all that it unites: whose requirements it has."""
        below = [i.name for i in self.repo.ancestry(name)]
        return (*below, *self.repo.united(name))


def wanted(repo: Repository, image: ImageDef) -> tuple[Wanted, ...]:
    """The image's own requirements, its project first."""
    found = []
    if (project := repo.project(image)) is not None:
        where = f"{image.source.name}:{image.line('python', 'project')}"
        found.append(Wanted(project.name, image.name, where))
    for i, text in enumerate(image.spec.python.requirements):
        where = f"{image.source.name}:{image.line('python', 'requirements', i)}"
        found.append(Wanted(text, image.name, where))
    if image.spec.cuda is not None:
        where = f"{image.source.name}:{image.line('cuda', 'version')}"
        said = str(image.spec.cuda)
        found += [Wanted(t, image.name, where, said) for t in image.spec.cuda.requirements]
    return tuple(found)


def demands(repo: Repository) -> tuple[Demand, ...]:
    """Every resolution of the family that has a requirement; `family` first, the rest by name."""
    members: dict[str, list[str]] = {}
    for name in repo.images:
        members.setdefault(repo.resolution(name), []).append(name)
    found = [_demand(repo, name, members[name]) for name in sorted(members)]
    found.sort(key=lambda d: (d.name != FAMILY, d.name))
    return tuple(d for d in found if d.requirements)


def _demand(repo: Repository, name: str, members: list[str]) -> Demand:
    images = {part.name for m in members for part in repo.ancestry(m)}
    return Demand(repo, name, tuple(sorted(members)), tuple(sorted(images)))


def has_python(repo: Repository, name: str) -> bool:
    """Whether an image, or one below it or united by it, has a requirement."""
    names = [*(i.name for i in repo.ancestry(name)), *repo.united(name)]
    specs = [repo.images[n].spec for n in names]
    if any(s.cuda is not None and s.cuda.requirements for s in specs):
        return True
    return any(s.python.requirements or s.python.project is not None for s in specs)
