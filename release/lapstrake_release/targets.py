"""Where a release goes: registries, package indexes, GitHub."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lapstrake.definition.models import ReleaseSpec
from lapstrake.errors import UserError
from lapstrake.registry.repository import Repository
from lapstrake_release.indexes.model import Index, find_index

GITHUB = "github"


@dataclass(frozen=True)
class Targets:
    """What a release publishes to; `github` is OWNER/NAME, or None."""

    registries: tuple[Repository, ...] = ()
    indexes: tuple[Index, ...] = ()
    github: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is none at all."""
        return not (self.registries or self.indexes or self.github)


def target_names(spec: ReleaseSpec) -> list[str]:
    """What `--only` may name, in the order of the settings."""
    names = [*spec.registries, *(i.name for i in spec.indexes)]
    return [*names, GITHUB] if spec.github else names


def find_targets(
    spec: ReleaseSpec, family: str, only: Sequence[str] = (), env: Mapping[str, str] = os.environ
) -> Targets:
    """The targets of the settings, or those of them that `only` names.

    Raises:
        UserError: there is no such target, or an index is nowhere.
    """
    names = target_names(spec)
    for name in only:
        if name not in names:
            have = f"there are {', '.join(names)}" if names else "lapstrake.yaml has no `release:`"
            raise UserError(f"there is no target {name!r}", have)
    chosen = set(only or names)
    indexes = [i for i in spec.indexes if i.name in chosen]
    return Targets(
        tuple(Repository.parse(f"{r}/{family}") for r in spec.registries if r in chosen),
        tuple(find_index(i, env, alone=len(spec.indexes) == 1) for i in indexes),
        spec.github if GITHUB in chosen else None,
    )
