"""One agreement on versions for the whole family, and one for each runtime set apart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name

from lapstrake.errors import UserError
from lapstrake.fetch.download import Downloader, Item
from lapstrake.fetch.http import client
from lapstrake.fetch.pylock import Address, Package, read_pylock
from lapstrake.fetch.sizes import measure
from lapstrake.fetch.uv import Unsolvable, Uv
from lapstrake.lock.closures import closures
from lapstrake.lock.conflicts import explain
from lapstrake.lock.demand import Demand
from lapstrake.lock.model import Resolution, Wheel
from lapstrake.lock.sdists import build_requirements
from lapstrake.lock.tags import best_wheel
from lapstrake.store.scratch import temporary_folder

Upgrade = Collection[str] | Literal["all"]


@dataclass(frozen=True)
class Pins:
    """What an earlier lock had, to be kept where it still satisfies.

    Attributes:
        wheels: its wheels by name.
        upgrade: the names that are to move, or `all`.
        same: whether the files were locked for the same target.
    """

    wheels: Mapping[str, Wheel]
    upgrade: Upgrade
    same: bool

    @classmethod
    def of(cls, wheels: Sequence[Wheel], upgrade: Upgrade, *, same: bool) -> Pins:
        """The pins of some locked wheels."""
        return cls({w.name: w for w in wheels}, upgrade, same)

    @property
    def versions(self) -> dict[str, str]:
        """The versions to prefer."""
        if self.upgrade == "all":
            return {}
        moving = {canonicalize_name(n) for n in self.upgrade}
        return {n: w.version for n, w in self.wheels.items() if n not in moving}

    @property
    def options(self) -> tuple[str, ...]:
        """Options for uv, so that it looks for newer versions and not into its cache."""
        if self.upgrade == "all":
            return ("--upgrade",)
        return tuple(f"--upgrade-package={name}" for name in sorted(self.upgrade))

    def file(self, package: Package) -> Address | None:
        """The very file that was locked before, where the index still has it."""
        old = self.wheels.get(package.name)
        if old is None or old.version != package.version or not self.same:
            return None
        return next((f for f in package.files if f.sha256 == old.sha256), None)


def resolve(
    demand: Demand,
    old: Resolution | None,
    upgrade: Upgrade,
    uv: Uv,
    progress: Callable[[str], None],
) -> Resolution:
    """Settle the versions and files of one resolution.

    Args:
        demand: what is asked for.
        old: the same resolution in an earlier lock, whose versions are kept where they can be.
        upgrade: the names whose versions may move nevertheless, or `all`.
        uv: set to the target.
        progress: told what goes on.

    Raises:
        UserError: the requirements can't be satisfied (naming file, line and reason, or the two
            runtimes that can't agree), or an index doesn't answer.
    """
    pins = Pins.of(old.wheels if old else (), upgrade, same=_same_target(old, uv))
    texts = list(dict.fromkeys(w.text for w in demand.requirements))
    progress(f"resolving {len(texts)} requirements of {demand.name}")
    try:
        text = uv.compile(
            texts,
            options=pins.options,
            constraints=demand.constraints,
            overrides=demand.overrides,
            preferences=pins.versions,
        )
    except Unsolvable as error:
        raise explain(demand, uv, error) from error
    packages = read_pylock(text)
    wheels, addresses = lock_packages(packages, pins, uv)
    found = closures(demand, {p.name: p.version for p in packages}, uv)
    sources = [(w, a) for w, a in zip(wheels, addresses, strict=True) if w.is_source]
    return Resolution(
        python=uv.target.minor,
        glibc=uv.target.glibc,
        wheels=wheels,
        closures=dict(sorted(found.items())),
        build=_build_tools(sources, old, upgrade, uv, progress) if sources else (),
    )


def _same_target(old: Resolution | None, uv: Uv) -> bool:
    return old is not None and (old.python, old.glibc) == (uv.target.minor, uv.target.glibc)


def lock_packages(
    packages: Sequence[Package], pins: Pins, uv: Uv
) -> tuple[tuple[Wheel, ...], tuple[Address, ...]]:
    """The wheels of some packages, each with where it is now; chosen as the pins say."""
    chosen = [_with_old_size(_choose(p, pins, uv), p, pins) for p in packages]
    files = measure(chosen, uv.indexes)
    wheels = tuple(
        Wheel(
            name=package.name,
            version=package.version,
            filename=file.filename,
            sha256=file.sha256 or "",
            size=file.size or 0,
        )
        for package, file in zip(packages, files, strict=True)
    )
    return wheels, tuple(files)


def _choose(package: Package, pins: Pins, uv: Uv) -> Address:
    """The file to lock: the one locked before, the best wheel, or the source archive."""
    file = pins.file(package) or best_wheel(package.wheels, uv.target) or package.sdist
    if file is None:
        target = uv.target
        raise UserError(
            f"{package.name} {package.version} has no wheel for Python {target.python} with "
            f"glibc {target.glibc} on {target.platform}, and no source archive",
            "a constraint on its version may find one that has",
        )
    return file


def _with_old_size(file: Address, package: Package, pins: Pins) -> Address:
    old = pins.wheels.get(package.name)
    if old is None or old.sha256 != file.sha256 or file.size is not None:
        return file
    return Address(file.filename, file.url, file.sha256, old.size)


def _build_tools(
    sources: Sequence[tuple[Wheel, Address]],
    old: Resolution | None,
    upgrade: Upgrade,
    uv: Uv,
    progress: Callable[[str], None],
) -> tuple[Wheel, ...]:
    """The wheels that build the source archives: what their build systems require, and pip."""
    names = ", ".join(w.name for w, _ in sources)
    progress(f"resolving what builds {names}")
    wanted = sorted({r for w, a in sources for r in _requires(w, a, uv)} | {"pip"})
    pins = Pins.of(old.build if old else (), upgrade, same=_same_target(old, uv))
    hint = "a constraint on a version that has a wheel avoids the build"
    return lock_tools(wanted, pins, uv, builds=names, hint=hint)


def lock_tools(
    wanted: Sequence[str], pins: Pins, uv: Uv, *, builds: str, hint: str
) -> tuple[Wheel, ...]:
    """Wheels that build something: none of them has to be built itself.

    Raises:
        UserError: they can't be had; it names what they build, and has the hint.
    """
    try:
        text = uv.compile(
            wanted,
            options=(*pins.options, "--only-binary", ":all:"),
            preferences=pins.versions,
        )
    except Unsolvable as error:
        raise UserError(
            f"what builds {builds} can't be had as wheels: {error.reason}", hint, error.details
        ) from error
    return lock_packages(read_pylock(text), pins, uv)[0]


def _requires(wheel: Wheel, address: Address, uv: Uv) -> tuple[str, ...]:
    with temporary_folder("sdist") as name:
        path = Path(name) / wheel.filename
        item = Item(wheel.name, (address.url,), wheel.sha256, path, wheel.size)
        with client(uv.indexes.env, uv.indexes.insecure) as http:
            Downloader(http, uv.indexes.credentials).fetch(item, _silent)
        return build_requirements(path)


def _silent(name: str, count: int) -> None:
    """For downloads that nobody watches."""
