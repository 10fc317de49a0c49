"""A Python project, its stamped copy, and what is built of it, as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name

from lapstrake.version import Version

# How a stamped project bounds what it requires of its own family: just this version, this
# version up to the next minor one, or as the project says.
Bound = Literal["exact", "minor", "none"]


@dataclass(frozen=True)
class Project:
    """One Python project.

    Attributes:
        title: its name as it is stated.
        folder: where its pyproject.toml (or setup.py) lies.
        backend: what `build-system.build-backend` says, or setuptools' own.
        stated: the version that stands there for all to read; None where the backend finds it.
    """

    title: str
    folder: Path
    backend: str
    stated: str | None = None

    @property
    def name(self) -> str:
        """Its name as a package index normalises it."""
        return canonicalize_name(self.title)

    @property
    def stem(self) -> str:
        """Its name as it begins the names of its files."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Projects:
    """A repository's: `core` is None where its root (or where one looked) has no project.

    `runtimes` are all others, sorted by name.
    """

    core: Project | None
    runtimes: tuple[Project, ...]

    @property
    def all(self) -> tuple[Project, ...]:
        """The core's before the others."""
        return (*((self.core,) if self.core else ()), *self.runtimes)

    @property
    def names(self) -> frozenset[str]:
        """The normalised name of each."""
        return frozenset(p.name for p in self.all)

    def get(self, name: str) -> Project:
        """The one of a normalised name; `KeyError` where there is none."""
        return {p.name: p for p in self.all}[name]

    def at(self, folder: Path) -> Project:
        """The one in a folder; `KeyError` where there is none."""
        return {p.folder: p for p in self.all}[folder]


@dataclass(frozen=True)
class Expected:
    """What a backend has to build.

    Attributes:
        title: the project's name.
        version: as Python spells it.
        backend: what builds it, for messages.
        siblings: normalised names of projects that have the same version.
    """

    title: str
    version: str
    backend: str
    siblings: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The project's name as a package index normalises it."""
        return canonicalize_name(self.title)

    @property
    def stem(self) -> str:
        """`my_project-1.2.0rc1`."""
        return f"{self.name.replace('-', '_')}-{self.version}"


@dataclass(frozen=True)
class Staged:
    """A copy of a project with a version stamped in; `stamped` are the files that it changed."""

    project: Project
    version: Version
    folder: Path
    siblings: frozenset[str] = frozenset()
    stamped: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """`my_project-1.2.0rc1`."""
        return self.expected.stem

    @property
    def expected(self) -> Expected:
        """What is to be built of it."""
        title, backend = self.project.title, self.project.backend
        return Expected(title, self.version.pep440, backend, self.siblings)


@dataclass(frozen=True)
class Built:
    """What was built of a staged copy.

    Attributes:
        tools: `name==version` of everything in the environment that built it, sorted; given as
            constraints they make a later build the same.
    """

    wheel: Path
    sdist: Path
    tools: tuple[str, ...]
