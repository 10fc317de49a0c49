"""The Python and the C library that a resolution's images have."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lapstrake.definition.repository import ImageDef, Repository
from lapstrake.errors import UserError
from lapstrake.fetch.uv import Target
from lapstrake.lock.demand import Demand, has_python
from lapstrake.lock.model import Deb
from lapstrake.lock.os import OsPackages

_VERSION = re.compile(r"(?:\d+:)?(\d+)\.(\d+)(?:\.(\d+))?")


def target_of(demand: Demand, packages: OsPackages) -> Target:
    """What a demand's wheels are chosen for: the one Python, and the oldest C library.

    Raises:
        UserError: an image has requirements but no Python, or another than the rest.
    """
    repo = demand.repo
    found: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for name in demand.images:
        if has_python(repo, name):
            found[name] = _of_image(repo, repo.images[name], packages)
    minors = {python[:2]: name for name, (python, _) in sorted(found.items(), reverse=True)}
    if len(minors) > 1:
        said = ", ".join(f"{_dotted(p)} in {n}" for p, n in sorted(minors.items()))
        raise UserError(
            f"the images that share wheels have different Pythons: {said}",
            "begin them from one root, or set the runtimes of one of them `apart: true`",
        )
    return Target(
        python=_dotted(min(python for python, _ in found.values())),
        glibc=_dotted(min(glibc for _, glibc in found.values())),
        platform=repo.family.platform,
    )


def _of_image(
    repo: Repository, image: ImageDef, packages: OsPackages
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Versions of Python and of the C library of one image."""
    first = repo.ancestry(image.name)[0]
    spec = first.spec.root
    where = f"{image.source.name}:{image.line('python', 'requirements')}"
    debs = packages.of(repo, image.name)
    if spec is not None and spec.image is not None:
        glibc: tuple[int, ...] = _numbers(spec.glibc)[:2]
        python = _numbers(spec.python) if spec.python else _debian_python(debs)
        hint = f"say which Python {spec.image} has: `root.python` in {first.source.name}"
    else:
        glibc = _numbers(debs["libc6"].version)[:2] if "libc6" in debs else ()
        python = _debian_python(debs)
        hint = "add python3 to the root's packages or to `apt`"
    if python is None or not glibc:
        raise UserError(f"{where}: {image.name} has requirements, but its OS has no Python", hint)
    wanted = repo.family.python.version
    if wanted is not None and wanted != _dotted(python[:2]):
        raise UserError(
            f"lapstrake.yaml asks for Python {wanted}, which the OS of {image.name} doesn't have "
            f"(it has {_dotted(python[:2])})",
            "leave python.version out, or choose a root that has it",
        )
    return python, glibc


def _debian_python(debs: Mapping[str, Deb]) -> tuple[int, ...] | None:
    """The version of /usr/bin/python3, with its patch where a package of it says so."""
    if "python3" not in debs:
        return None
    minor = _numbers(debs["python3"].version)[:2]
    exact = debs.get(f"python{_dotted(minor)}-minimal") or debs.get(f"python{_dotted(minor)}")
    full = _numbers(exact.version) if exact else minor
    return full if full[:2] == minor else minor


def _numbers(version: str) -> tuple[int, ...]:
    found = _VERSION.match(version)
    return tuple(int(n) for n in found.groups() if n is not None) if found else (0, 0)


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
