"""How the notes of a release group what was merged: GitHub's own `.github/release.yml`.

A pull request goes into the first category that has one of its labels. One without such a label
goes by how its title begins (https://www.conventionalcommits.org), if it begins so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lapstrake.errors import UserError

FILES = (".github/release.yml", ".github/release.yaml")

# What GitHub calls the rest where categories are given and none takes it.
OTHER = "Other changes"

_PREFIX = re.compile(r"(?P<type>[A-Za-z]+)(?:\((?P<scope>[^)]*)\))?(?P<breaking>!)?:\s")

# How a title begins -> the labels that it stands for
_IMPLIED = {
    "feat": ("feature", "enhancement", "feat"),
    "fix": ("bug", "fix", "bugfix"),
    "perf": ("performance", "perf"),
    "docs": ("documentation", "docs"),
    "deps": ("dependencies",),
    "security": ("security",),
    "ci": ("ci",),
    "test": ("tests", "test"),
    "build": ("build",),
    "refactor": ("refactor", "refactoring"),
    "chore": ("chore", "maintenance"),
    "revert": ("revert",),
}
_BREAKING = ("breaking-change", "breaking", "semver-major", "semver:major")


class _Part(BaseModel):
    # GitHub takes keys that it doesn't know
    model_config = ConfigDict(frozen=True, extra="ignore")

    @field_validator("*", mode="before")
    @classmethod
    def _absent(cls, value: object, info: Any) -> object:
        """A key without a value is as good as none."""
        return (
            cls.model_fields[info.field_name].get_default(call_default_factory=True)
            if (value is None)
            else value
        )


class Exclusion(_Part):
    """What is left out: labels and authors, compared without regard to case."""

    labels: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()

    def takes(self, labels: Iterable[str], author: str) -> bool:
        """Whether a pull request is left out."""
        # a file may name an app with or without what GitHub adds to its name
        authors = {a.removesuffix("[bot]") for a in _lower(self.authors)}
        is_author = author.lower().removesuffix("[bot]") in authors
        return is_author or bool(_lower(labels) & _lower(self.labels))


class Category(_Part):
    """A heading, and the labels that lead to it; `*` stands for all."""

    title: str = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=1)
    exclude: Exclusion = Exclusion()

    def takes(self, labels: Iterable[str], author: str) -> bool:
        """Whether a pull request belongs here."""
        if self.exclude.takes(labels, author):
            return False
        return self.takes_all or bool(_lower(labels) & _lower(self.labels))

    @property
    def takes_all(self) -> bool:
        """Whether it is the one for whatever no other took."""
        return "*" in self.labels


_DEFAULTS = (
    Category(title="Breaking changes", labels=_BREAKING),
    Category(title="Security", labels=("security",)),
    Category(title="New", labels=("enhancement", "feature", "feat")),
    Category(title="Fixed", labels=("bug", "bugfix", "fix")),
    Category(title="Faster", labels=("performance", "perf")),
    Category(title="Documentation", labels=("documentation", "docs")),
    Category(title="Dependencies", labels=("dependencies",)),
    Category(title=OTHER, labels=("*",)),
)


class Categories(_Part):
    """The `changelog` of `.github/release.yml`."""

    exclude: Exclusion = Exclusion(labels=("ignore-for-release", "skip-changelog"))
    categories: tuple[Category, ...] = _DEFAULTS

    @property
    def titles(self) -> tuple[str, ...]:
        """Every heading in its order, the one for the rest last where none takes all."""
        titles = [c.title for c in self.categories]
        return tuple(dict.fromkeys([*titles, *([] if self._has_rest else [OTHER])]))

    @property
    def _has_rest(self) -> bool:
        return any(c.takes_all for c in self.categories)

    def place(self, labels: Iterable[str], author: str, title: str) -> str | None:
        """The heading for a pull request; None where it is left out."""
        labels = tuple(labels)
        if self.exclude.takes(labels, author):
            return None
        named = [c for c in self.categories if not c.takes_all]
        for known in (labels, (*labels, *implied_labels(title))):
            for category in named:
                if category.takes(known, author):
                    return category.title
        rest = (c.title for c in self.categories if c.takes_all and c.takes(labels, author))
        return next(rest, OTHER)


class _File(_Part):
    changelog: Categories = Categories()


def read_categories(root: Path) -> Categories:
    """What the repository at `root` says; defaults where it has no such file.

    Raises:
        UserError: the file can't be read.
    """
    for name in FILES:
        path = root / name
        if path.is_file():
            return _read(path, name)
    return Categories()


def _read(path: Path, name: str) -> Categories:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _File.model_validate(value or {}).changelog
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{name}:{line}: {error.problem}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(x) for x in first["loc"])
        raise UserError(
            f"{name}: {where or 'the file'}: {first['msg']}",
            "GitHub's documentation of automatically generated release notes has its form",
        ) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{name} can't be read: {error}") from None


def implied_labels(title: str) -> tuple[str, ...]:
    """The labels that a conventional title stands for: `feat(cli)!: …`; none for any other."""
    found = _PREFIX.match(title)
    if found is None:
        return ()
    kind = found["type"].lower()
    if kind in {"build", "chore", "fix"} and (found["scope"] or "").startswith("deps"):
        kind = "deps"
    return (*(_BREAKING if found["breaking"] else ()), *_IMPLIED.get(kind, ()))


def _lower(words: Iterable[str]) -> set[str]:
    return {w.lower() for w in words}
