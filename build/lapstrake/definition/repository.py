"""The definition as a value: the family and its images, each knowing where it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from lapstrake.definition.cuda import CudaSpec
from lapstrake.definition.home import at_home
from lapstrake.definition.models import Family, Image, ReleaseSpec
from lapstrake.definition.source import Source
from lapstrake.errors import Problem, UserError, relative_to
from lapstrake.projects.model import Project, Projects

FAMILY_FILE = "lapstrake.yaml"
Kind = Literal["image", "runtime"]


@dataclass(frozen=True)
class ImageDef:
    """One image as written, and where.

    `extends` is resolved: a runtime without one extends the family's slim.
    """

    name: str
    kind: Kind
    spec: Image
    folder: Path
    file: Path
    source: Source
    extends: str | None

    def line(self, *keys: str | int) -> int:
        """The line of a key path in its file, such as `line("apt", 0)`."""
        return self.source.line(*keys)

    def problem(self, message: str, *keys: str | int, hint: str = "") -> Problem:
        """A problem at a key path of its file."""
        return Problem(self.source.name, self.line(*keys), message, hint)


@dataclass(frozen=True)
class Repository:
    """A whole definition, checked; `images` are sorted by name."""

    root: Path
    family: Family
    images: Mapping[str, ImageDef]

    def image(self, name: str) -> ImageDef:
        """The image called `name`; `UserError` where there is none."""
        if name not in self.images:
            raise UserError(
                f"there is no image or runtime {name!r}", f"there are {', '.join(self.images)}"
            )
        return self.images[name]

    def ancestry(self, name: str) -> tuple[ImageDef, ...]:
        """From the image that has the root down to `name` itself."""
        chain = [self.images[name]]
        while chain[-1].extends is not None:
            chain.append(self.images[chain[-1].extends])
        return tuple(reversed(chain))

    def united(self, name: str) -> tuple[str, ...]:
        """The runtimes that `name`, or an image below it, unites; sorted.

        A runtime that extends another one brings that one along.
        """
        own = {part.name for part in self.ancestry(name)}
        wanted: set[str] = set()
        for part in self.ancestry(name):
            for runtime in self._united_by(part):
                wanted.update(p.name for p in self.ancestry(runtime))
        return tuple(sorted(wanted - own))

    def _united_by(self, image: ImageDef) -> tuple[str, ...]:
        if image.spec.runtimes == "all":
            return self.joinable
        return tuple(sorted(image.spec.runtimes))

    @cached_property
    def joinable(self) -> tuple[str, ...]:
        """The runtimes that `runtimes: all` unites."""
        runtimes = (n for n, i in self.images.items() if i.kind == "runtime")
        return tuple(n for n in runtimes if not self._is_over_alone(n))

    def _is_over_alone(self, name: str) -> bool:
        """Whether an image or one below it is resolved alone; `extends` need not be sound yet."""
        seen: set[str] = set()
        image = self.images.get(name)
        while image is not None and image.name not in seen:
            if _alone(image):
                return True
            seen.add(image.name)
            image = self.images.get(image.extends or "")
        return False

    def resolution(self, name: str) -> str:
        """The resolution that an image's wheels come from: `family`, or its own."""
        alone = [i.name for i in self.ancestry(name) if _alone(i)]
        return alone[-1] if alone else "family"

    def owners(self, name: str) -> tuple[str, ...]:
        """Whose the bugs of an image are: what it says itself, else the nearest below it."""
        of_each = (tuple(i.spec.owners) for i in reversed(self.ancestry(name)))
        return next((owners for owners in of_each if owners), ())

    def cuda(self, name: str) -> CudaSpec | None:
        """The CUDA of a whole image: its own, else that of the nearest one below it."""
        return next((i.spec.cuda for i in reversed(self.ancestry(name)) if i.spec.cuda), None)

    @cached_property
    def default(self) -> frozenset[str]:
        """The names of the images that are built where none is named."""
        return frozenset(
            n for n in self.images if not any(i.spec.optional for i in self.ancestry(n))
        )

    @cached_property
    def release(self) -> ReleaseSpec:
        """What `lapstrake release` publishes to, with the names of this checkout's repository.

        Raises:
            UserError: the settings need them, and nothing says what they are.
        """
        return at_home(self.family.release, self.root)

    @cached_property
    def projects(self) -> Projects:
        """The Python projects: the core's, those of the runtimes, and those that images name.

        Raises:
            DefinitionError: with every project that can't be read or has no version.
        """
        from lapstrake.projects.find import find_projects

        core = self.family.release.python.core.removeprefix("//")
        named = [f for i in self.images.values() if (f := self._project_folder(i)) is not None]
        return find_projects(self.root, core, self.family.runtimes.removeprefix("//"), named)

    @property
    def has_projects(self) -> bool:
        """Whether some image has a Python project of this repository."""
        return any(i.spec.python.project is not None for i in self.images.values())

    def project(self, image: ImageDef) -> Project | None:
        """The Python project that an image's own file names."""
        folder = self._project_folder(image)
        return None if folder is None else self.projects.at(folder)

    def _project_folder(self, image: ImageDef) -> Path | None:
        written = image.spec.python.project
        return None if written is None else self.path(image, written)

    def path(self, image: ImageDef, written: str) -> Path:
        """A path as an image's file writes it: below its folder, or with `//` below the top."""
        if written.startswith("//"):
            return self.root / written[2:]
        return image.folder / written

    def relative(self, path: Path) -> str:
        """A path as the user knows it."""
        return relative_to(path, self.root)


def _alone(image: ImageDef) -> bool:
    """Whether the family's versions are no matter to an image, nor its own to the family."""
    return image.spec.apart or image.spec.optional or image.spec.matrix is not None
