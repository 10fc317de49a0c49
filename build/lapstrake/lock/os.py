"""The Debian packages of each image, as apt would choose them today."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lapstrake.definition.models import RootSpec
from lapstrake.definition.repository import ImageDef, Repository
from lapstrake.errors import DefinitionError, UserError
from lapstrake.fetch.mirrors import find_archives, is_snapshot
from lapstrake.lock.apt import Apt, UnknownPackage, open_apt
from lapstrake.lock.inputs import apt_part, root_part
from lapstrake.lock.model import Deb, Lock
from lapstrake.lock.pulled import System

Debs = dict[str, tuple[Deb, ...]]


@dataclass
class OsPackages:
    """What `lock_os` settled.

    Attributes:
        roots: as in the lock.
        apt: as in the lock.
        chosen: whether anything was chosen anew.
    """

    roots: Debs = field(default_factory=dict)
    apt: Debs = field(default_factory=dict)
    chosen: bool = False

    def below(self, repo: Repository, name: str) -> dict[str, Deb]:
        """All packages of the images below `name` and of those that it unites, by name."""
        ancestry = [part.name for part in repo.ancestry(name)[:-1]]
        found: dict[str, Deb] = {}
        for part in (*ancestry, *repo.united(name)):
            found.update((d.name, d) for d in self.roots.get(part, ()))
            found.update((d.name, d) for d in self.apt.get(part, ()))
        return found

    def of(self, repo: Repository, name: str) -> dict[str, Deb]:
        """All packages of a whole image, by name."""
        found = self.below(repo, name)
        found.update((d.name, d) for d in self.roots.get(name, ()))
        found.update((d.name, d) for d in self.apt.get(name, ()))
        return found


@dataclass
class _Chooser:
    """Chooses packages; each suite's indexes are fetched once."""

    repo: Repository
    snapshot: str | None
    system: Callable[[ImageDef], System]
    progress: Callable[[str], None]
    stack: contextlib.ExitStack
    apts: dict[tuple[str, tuple[str, ...]], Apt] = field(default_factory=dict)

    def apt(self, suite: str, components: tuple[str, ...]) -> Apt:
        key = (suite, components)
        if key not in self.apts:
            self.progress(f"reading what {suite} has")
            archives = find_archives(suite, components, self.snapshot)
            stale = is_snapshot(self.snapshot)
            opened = open_apt(archives, self.repo.family.platform, stale=stale)
            self.apts[key] = self.stack.enter_context(opened)
        return self.apts[key]

    def root(self, image: ImageDef, spec: RootSpec) -> tuple[Deb, ...]:
        apt = self.apt(spec.suite or "", tuple(spec.components))
        self.progress(f"choosing the packages of {image.name}")
        with _saying_where(image, ("root", "packages"), spec.packages):
            return apt.root(spec.packages)

    def over(self, image: ImageDef, below: Mapping[str, Deb]) -> tuple[Deb, ...]:
        first = self.repo.ancestry(image.name)[0]
        spec = first.spec.root
        if spec is None:
            msg = f"{first.name} has no root"
            raise AssertionError(msg)
        debs = [below[name] for name in sorted(below)]
        if spec.suite is not None:
            apt = self.apt(spec.suite, tuple(spec.components))
            status = apt.status(debs)
        else:
            system = self.system(first)
            apt = self.apt(system.suite, tuple(spec.components))
            status = system.with_packages(apt.status(debs), {d.name for d in debs})
        self.progress(f"choosing the packages of {image.name}")
        with _saying_where(image, ("apt",), image.spec.apt):
            return apt.over(status, image.spec.apt)


@contextlib.contextmanager
def _saying_where(image: ImageDef, keys: tuple[str, ...], packages: list[str]) -> Iterator[None]:
    """Name the file and the line of a package that the suite lacks."""
    try:
        yield
    except UnknownPackage as error:
        place = packages.index(error.name)
        problem = image.problem(error.message, *keys, place, hint=error.hint)
        raise DefinitionError([problem]) from error
    except UserError as error:
        where = f"{image.source.name}:{image.line(*keys)}"
        raise UserError(f"{where}: {error.message}", error.hint, error.details) from error


def lock_os(
    repo: Repository,
    old: Lock | None,
    system: Callable[[ImageDef], System],
    *,
    upgrade: bool,
    snapshot: str | None,
    progress: Callable[[str], None],
) -> OsPackages:
    """The packages of every root and every `apt`; what asks for the same as before is kept.

    Args:
        repo: the definition.
        old: an earlier lock for the same platform.
        system: what a root that was pulled has installed.
        upgrade: choose everything anew.
        snapshot: a snapshot mirror's URL.
        progress: told what goes on.

    Raises:
        UserError: an unknown package (file and line), no mirror, no network.
    """
    found = OsPackages()
    fresh: set[str] = set()
    kept = None if upgrade else old
    with contextlib.ExitStack() as stack:
        chooser = _Chooser(repo, snapshot, system, progress, stack)
        for image in _parents_first(repo):
            parts = {p.name for p in repo.ancestry(image.name)} | set(repo.united(image.name))
            if spec := image.spec.root:
                _lock_root(image, spec, kept, chooser, found, fresh)
            if image.spec.apt:
                _lock_apt(image, kept, chooser, found, fresh, stale=bool(parts & fresh))
    found.chosen = bool(fresh)
    return found


def _lock_root(
    image: ImageDef,
    spec: RootSpec,
    old: Lock | None,
    chooser: _Chooser,
    found: OsPackages,
    fresh: set[str],
) -> None:
    key, part = root_part(image, spec)
    same = old is not None and old.inputs.get(key) == part
    if spec.suite is None:
        if not same:
            fresh.add(image.name)
    elif same and old is not None and image.name in old.roots:
        found.roots[image.name] = old.roots[image.name]
    else:
        found.roots[image.name] = chooser.root(image, spec)
        fresh.add(image.name)


def _lock_apt(
    image: ImageDef,
    old: Lock | None,
    chooser: _Chooser,
    found: OsPackages,
    fresh: set[str],
    *,
    stale: bool,
) -> None:
    key, part = apt_part(chooser.repo, image)
    known = old is not None and image.name in old.apt and old.inputs.get(key) == part
    if old is not None and known and not stale:
        found.apt[image.name] = old.apt[image.name]
        return
    found.apt[image.name] = chooser.over(image, found.of(chooser.repo, image.name))
    fresh.add(image.name)


def _parents_first(repo: Repository) -> list[ImageDef]:
    """Every image after those that it extends or unites, else by name."""
    found: dict[str, ImageDef] = {}

    def visit(name: str) -> None:
        for part in (*(p.name for p in repo.ancestry(name)[:-1]), *repo.united(name)):
            if part not in found:
                visit(part)
        found.setdefault(name, repo.images[name])

    for name in repo.images:
        visit(name)
    return list(found.values())
