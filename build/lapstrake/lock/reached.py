"""Which of the repository's own projects a lock is about, and what it depends on of each.

Apart from what settles them, since every command asks whether the lock is still right.
"""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lapstrake.definition.repository import Repository
from lapstrake.projects.requires import Stated, stated


def reached(repo: Repository) -> dict[str, Stated]:
    """The projects that images name, or that those require: by name, what each states.

    Of a project whose backend finds its requirements, nobody knows whom it requires before it is
    asked: it counts as requiring all.
    """
    if not repo.has_projects:
        return {}
    family = repo.projects.names
    named = {p.name for i in repo.images.values() if (p := repo.project(i)) is not None}
    for image in repo.images.values():
        asked = image.spec.python.requirements
        named |= {canonicalize_name(Requirement(r).name) for r in asked} & family
    found: dict[str, Stated] = {}
    waiting = sorted(named)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = stated(repo.projects.get(name), family)
            waiting += family if found[name].dynamic else found[name].siblings
    return dict(sorted(found.items()))


def project_part(repo: Repository, name: str, states: Stated) -> tuple[str, dict[str, object]]:
    """The key and the inputs of a project."""
    folder = repo.relative(repo.projects.get(name).folder)
    return f"project {name}", {"folder": folder, **states.to_json()}
