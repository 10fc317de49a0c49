"""The layers of each image, from the definition and the lock.

An image's stack is its parent's, then what it adds: OS packages, wheels, copies, files, commands.
An image that unites runtimes adds what each of them adds, so it shares their layers. On top of
every stack lies one small system layer (see `lapstrake.guest`), which no `Run` is built over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from lapstrake.definition.contents import CopySpec
from lapstrake.definition.models import RootSpec, RunSpec
from lapstrake.definition.repository import ImageDef, Repository
from lapstrake.errors import UserError
from lapstrake.layers.cuda_links import is_part
from lapstrake.layers.fixed import PREFIX
from lapstrake.layers.kinds import (
    Bootstrap,
    BuiltWheel,
    Copy,
    FileEntry,
    Files,
    Interpreter,
    Layer,
    Pulled,
    Run,
    Wheels,
)
from lapstrake.lock.model import Deb, Lock, Resolution, Wheel
from lapstrake.plan.cuda import built_cuda, files_layer, folder_version
from lapstrake.plan.grouping import Group, fit_budget, group_wheels
from lapstrake.plan.sources import SourceFiles
from lapstrake.plan.tags import upstream_version

# Layers of an image besides its wheels' for which the budget keeps room: the system layer.
_ON_TOP = 1

# How many blobs a bootstrapped root may have, and the part of the budget that it may take. The
# updates that bookworm has had would each send, of a root of 50 MB, 4.3 MB on average with twelve
# blobs, 8.5 MB with eight, 3.5 MB with sixteen; and every blob here is one less for wheels.
_ROOT_BLOBS = 12
_ROOT_SHARE = 3


class Stacks:
    """Makes the stack of any image of a repository; each is made once.

    Args:
        repo: the definition.
        lock: its lock.
        own: the source archives of the repository's own projects, by normalised name.
    """

    def __init__(self, repo: Repository, lock: Lock, own: Mapping[str, Wheel]) -> None:
        self.repo = repo
        self.lock = lock
        self.own = own
        self._made: dict[tuple[str, str], tuple[Layer, ...]] = {}
        self._roots: dict[str, Layer] = {}
        self._groups: dict[str, tuple[Group, ...]] = {}
        self._sources = SourceFiles(repo)

    def stack(self, name: str) -> tuple[Layer, ...]:
        """The layers of an image without its system layer, bottom up."""
        return self._stack(name, self.repo.resolution(name))

    def resolution(self, name: str) -> Resolution | None:
        """The resolution that an image's wheels come from; None where nothing needs Python."""
        return self.lock.resolutions.get(self.repo.resolution(name))

    def wheels(self, name: str) -> tuple[Wheel, ...]:
        """All wheels of a whole image, sorted by name."""
        found = self.resolution(name)
        if found is None:
            return ()
        return tuple(self._by_name(found)[n] for n in found.closures.get(name, ()))

    def without_sum(self, wheel: Wheel) -> Wheel:
        """A wheel as it is known before anything is built: of a project's, no hash is."""
        return wheel.model_copy(update={"sha256": ""}) if wheel.name in self.own else wheel

    def debs(self, name: str) -> tuple[Deb, ...]:
        """All locked Debian packages of a whole image, sorted by name."""
        return tuple(sorted(self._debs(name), key=lambda d: (d.name, d.arch)))

    def _debs(self, name: str) -> set[Deb]:
        parts = [*self.repo.ancestry(name), *(self.repo.images[n] for n in self.repo.united(name))]
        return {
            deb
            for part in parts
            for deb in (*self.lock.roots.get(part.name, ()), *self.lock.apt.get(part.name, ()))
        }

    def _stack(self, name: str, resolution: str) -> tuple[Layer, ...]:
        key = (name, resolution)
        if key not in self._made:
            self._made[key] = tuple(self._layers(self.repo.images[name], resolution))
        return self._made[key]

    def _layers(self, image: ImageDef, resolution: str) -> list[Layer]:
        layers = list(self._below(image, resolution))
        parts = self._parts(image)
        layers += self._apt(parts, tuple(x for x in layers if not _is_python(x)))
        layers += self._cuda(parts, resolution)
        layers += self._python(image, resolution, sum(map(_blobs, layers)))
        for part in parts:
            layers += self._copies(part)
            layers += self._files(part)
        for part in parts:
            layers += self._runs(part, tuple(layers))
        return list(_distinct(layers))

    def _below(self, image: ImageDef, resolution: str) -> tuple[Layer, ...]:
        if image.extends is not None:
            return self._stack(image.extends, resolution)
        return (self._root(image),)

    def _parts(self, image: ImageDef) -> tuple[ImageDef, ...]:
        """What an image adds to its parent: the runtimes that it unites, then itself."""
        below = set(self.repo.united(image.extends)) if image.extends else set()
        united = [n for n in self.repo.united(image.name) if n not in below]
        return (*(self.repo.images[n] for n in united), image)

    def _root(self, image: ImageDef) -> Layer:
        if image.name not in self._roots:
            if image.spec.root is None:
                msg = f"{image.name} has neither root nor parent"
                raise AssertionError(msg)
            self._roots[image.name] = self._make_root(image, image.spec.root)
        return self._roots[image.name]

    def _make_root(self, image: ImageDef, spec: RootSpec) -> Layer:
        if spec.image is not None:
            digest = self.lock.images[spec.image]
            return Pulled(f"root {spec.image}", spec.image, digest, self.lock.platform)
        debs = self.lock.roots[image.name]
        title = f"{spec.suite}, {len(debs)} packages"
        return Bootstrap(
            title,
            spec.suite or "",
            tuple(spec.components),
            tuple(sorted(debs, key=lambda d: (d.name, d.arch))),
            spec.docs,
            self.lock.epoch,
            min(_ROOT_BLOBS, self.repo.family.layers.budget // _ROOT_SHARE),
        )

    def _apt(self, parts: tuple[ImageDef, ...], below: tuple[Layer, ...]) -> Iterator[Layer]:
        """One layer for the packages of all parts: two that change one database can't be united."""
        wanted = sorted({p for part in parts for p in part.spec.apt})
        debs = {d for part in parts for d in self.lock.apt.get(part.name, ())}
        if debs:
            yield Run(
                title=f"apt {' '.join(wanted)}",
                below=below,
                debs=tuple(sorted(debs, key=lambda d: (d.name, d.arch))),
                scripts=(),
                env=(),
                epoch=self.lock.epoch,
            )

    def _cuda(self, parts: tuple[ImageDef, ...], resolution: str) -> Iterator[Layer]:
        """What lies around NVIDIA's wheels, where they are the source of CUDA."""
        found = self.lock.resolutions.get(resolution)
        for part in parts:
            cuda = built_cuda(part.spec.cuda, found.wheels if found else ())
            if cuda is not None and cuda.source == "wheels":
                yield files_layer(cuda)

    def _python(self, image: ImageDef, resolution: str, below: int) -> Iterator[Layer]:
        found = self.lock.resolutions.get(resolution)
        if found is None or not found.closures.get(image.name):
            return
        if not self._own_parent_closure(image, found):
            yield self._environment(image, found.python)
            below += 1
        mine = [g for g in self._family_groups(resolution) if image.name in g.images]
        room = self.repo.family.layers.budget - _ON_TOP - below - _others(self._parts(image))
        if room < 1 and mine:
            raise UserError(
                f"{image.name} has {below} layers before its wheels: no room in its budget",
                "raise layers.budget in lapstrake.yaml",
            )
        for group in fit_budget(tuple(mine), image.name, room):
            yield self._wheels_layer(group, found, image)

    def _own_parent_closure(self, image: ImageDef, found: Resolution) -> tuple[str, ...]:
        return found.closures.get(image.extends, ()) if image.extends else ()

    def _family_groups(self, resolution: str) -> tuple[Group, ...]:
        if resolution not in self._groups:
            found = self.lock.resolutions[resolution]
            wheels = self._by_name(found)
            owners: dict[Wheel, set[str]] = defaultdict(set)
            for name, closure in found.closures.items():
                below = set(self._own_parent_closure(self.repo.images[name], found))
                for wheel in closure:
                    if wheel not in below:
                        owners[wheels[wheel]].add(name)
            groups = group_wheels(owners, self.repo.family.layers.large, self.own)
            self._groups[resolution] = groups
        return self._groups[resolution]

    @cached_property
    def _wheel_maps(self) -> dict[int, dict[str, Wheel]]:
        resolutions = self.lock.resolutions.values()
        return {id(r): {w.name: w for w in r.wheels} | dict(self.own) for r in resolutions}

    def _by_name(self, resolution: Resolution) -> dict[str, Wheel]:
        return self._wheel_maps[id(resolution)]

    def _wheels_layer(self, group: Group, found: Resolution, image: ImageDef) -> Layer:
        parts = tuple(self._wheel(w, found, image) for w in group.wheels)
        if len(parts) == 1:
            title = f"{group.wheels[0].name} {group.wheels[0].version}"
        else:
            title = f"{len(parts)} wheels of {_listed(group.images)}"
        has_cuda = any(is_part(w.name) for w in group.wheels)
        return Wheels(
            title,
            found.python,
            found.glibc,
            parts,
            self._interpreter(image, found.python),
            folder_version(found) if has_cuda else "",
        )

    def _wheel(self, wheel: Wheel, found: Resolution, image: ImageDef) -> Wheel | BuiltWheel:
        if wheel.name in self.own:
            tools = self.lock.projects[wheel.name].build
            return BuiltWheel(wheel, tools, self._system(self._home(wheel, found, image)), own=True)
        if not wheel.is_source:
            return wheel
        return BuiltWheel(wheel, found.build, self._system(image))

    def _home(self, wheel: Wheel, found: Resolution, image: ImageDef) -> ImageDef:
        """The image in whose operating system a project is built for all that share `image`'s root.

        It is the one that names the project, else the lowest that has it: so it is built once.
        """
        first = self.repo.ancestry(image.name)[0].name

        def order(name: str) -> tuple[bool, int, str]:
            project = self.repo.project(self.repo.images[name])
            names_it = project is not None and project.name == wheel.name
            return not names_it, len(self.repo.ancestry(name)), name

        having = [n for n, closure in found.closures.items() if wheel.name in closure]
        same = [n for n in having if self.repo.ancestry(n)[0].name == first]
        return self.repo.images[min(same, key=order)]

    def _system(self, image: ImageDef) -> tuple[Layer, ...]:
        """An image's operating system: its root, and the packages over it."""
        chain = self.repo.ancestry(image.name)
        # not by way of the first one's stack, whose wheels may be what this is asked for
        root: tuple[Layer, ...] = (self._root(chain[0]),)
        for part in chain:
            root = (*root, *(self._apt((part,), root) if part.spec.apt else ()))
        return root

    def _interpreter(self, image: ImageDef, python: str) -> Interpreter | None:
        """What compiles an image's modules: the Python of its packages, or of its root image."""
        if not self.repo.family.python.bytecode:
            return None
        system = self._system(image)
        for number, layer in enumerate(system):
            for deb in layer.debs if isinstance(layer, Bootstrap | Run) else ():
                if deb.name == f"python{python}-minimal":
                    version = f"cpython {upstream_version(deb.version)}"
                    return Interpreter(version, f"/usr/bin/python{python}", system[: number + 1])
        root = system[0]
        if not isinstance(root, Pulled):
            return None
        return Interpreter(root.digest, self._python_path(image), (root,))

    def _python_path(self, image: ImageDef) -> str:
        first = self.repo.ancestry(image.name)[0].spec.root
        return (first.interpreter if first else None) or "/usr/bin/python3"

    def _environment(self, image: ImageDef, python: str) -> Layer:
        """The frame of the virtual environment that the wheels go into (PEP 405)."""
        interpreter = self._python_path(image)
        home = interpreter.rpartition("/")[0]
        config = f"home = {home}\ninclude-system-site-packages = false\nversion = {python}\n"
        entries = (
            FileEntry(f"{PREFIX}/bin/python", 0o777, "symlink", target=interpreter),
            FileEntry(f"{PREFIX}/bin/python3", 0o777, "symlink", target="python"),
            FileEntry(f"{PREFIX}/bin/python{python}", 0o777, "symlink", target="python"),
            FileEntry(f"{PREFIX}/lib64", 0o777, "symlink", target="lib"),
            FileEntry.of(f"{PREFIX}/pyvenv.cfg", config.encode()),
        )
        return Files(f"environment of Python {python}", entries)

    def _copies(self, part: ImageDef) -> Iterator[Layer]:
        for spec in part.spec.copy_:
            yield self._copy(spec)

    def _copy(self, spec: CopySpec) -> Layer:
        paths = tuple(sorted((p.source, p.to or p.source) for p in spec.paths))
        own = spec.image in self.repo.images
        return Copy(
            title=f"{len(paths)} paths of {spec.image}",
            reference="" if own else spec.image,
            digest="" if own else self.lock.images[spec.image],
            platform=self.lock.platform,
            layers=self.stack(spec.image) if own else (),
            paths=paths,
        )

    def _files(self, part: ImageDef) -> Iterator[Layer]:
        if part.spec.files:
            yield Files(f"files of {part.name}", self._sources.entries(part))

    def _runs(self, part: ImageDef, below: tuple[Layer, ...]) -> Iterator[Layer]:
        if not part.spec.run:
            return
        scripts = tuple(
            "\n".join(r.commands) if isinstance(r, RunSpec) else r for r in part.spec.run
        )
        env = {k: v for r in part.spec.run if isinstance(r, RunSpec) for k, v in r.env.items()}
        title = f"run {scripts[0].splitlines()[0][:40]}"
        epoch = self.lock.epoch
        yield Run(title, _distinct(below), (), scripts, tuple(sorted(env.items())), epoch)


def _others(parts: tuple[ImageDef, ...]) -> int:
    """How many layers the parts add above the wheels."""
    return sum(len(p.spec.copy_) + bool(p.spec.files) + bool(p.spec.run) for p in parts)


def _is_python(layer: Layer) -> bool:
    """Whether a layer lies in the virtual environment alone, where apt neither looks nor writes.

    Packages are installed as if it weren't there: so another wheel below installs none anew.
    """
    if isinstance(layer, Files):
        return all(entry.path.startswith(f"{PREFIX}/") for entry in layer.entries)
    return isinstance(layer, Wheels)


def _blobs(layer: Layer) -> int:
    """How many of an image's layers it takes, at most; nobody knows of an image not pulled yet."""
    return layer.blobs if isinstance(layer, Bootstrap) else 1


def _distinct(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers without repetitions, the first of each kept."""
    return tuple({layer.id: layer for layer in layers}.values())


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{', '.join(names[:3])} and others"
