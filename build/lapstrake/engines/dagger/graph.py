"""The calls to the engine: what containers there are, and what each does. Nothing is run here.

A layer's container is known by what the layer is: the toolchain, Lapstrake's own code, the
layer's value, and the folders that the layers below it left. Two clients that ask for the same
layer ask for the same container, and the engine builds it once.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagger
from dagger import dag

import lapstrake
from lapstrake.engines.dagger import places
from lapstrake.engines.dagger.wire import encode, encode_image, required, sources
from lapstrake.layers.kinds import Bootstrap, BuiltWheel, Layer, Run, Wheels
from lapstrake.plan.model import Plan, own_wheels

# Names all that an engine keeps for us; two names share nothing, though they build the same.
CACHE_NAME = "LAPSTRAKE_DAGGER_CACHE"
_CACHE = "lapstrake"

# The volumes, by the end of their names, and where each is mounted.
_VOLUMES = {
    "layers": places.CACHE,
    "packages": places.CACHE / "debs",
    "wheels": places.CACHE / "wheels",
}
_ENV = {
    "PYTHONPATH": str(places.CODE),
    # compiled once for all containers: the mounted code has no place for it that stays
    "PYTHONPYCACHEPREFIX": str(places.CACHE / "python"),
    "XDG_CACHE_HOME": str(places.CACHE / "others"),
}

# What no builder of a layer imports: a change there is no reason to build anything again.
_NOT_NEEDED = (
    "built_files.py",
    "cli",
    "definition/reference.py",
    "doctor.py",
    *(
        f"engines/dagger/{name}.py"
        for name in (
            "building",
            "engine",
            "errors",
            "graph",
            "images",
            "lazily",
            "priming",
            "session",
            "toolchain",
        )
    ),
    "engines/choice.py",
    "inspect",
    *(
        f"projects/{name}.py"
        for name in (
            "build",
            "family",
            "files",
            "find",
            "legacy",
            "offline",
            "pyproject",
            "requires",
            "source",
            "stamp",
        )
    ),
    "registry",
    "scaffold.py",
    "share",
    "smoke",
    "templates",
)

# The keys that the secret's values go by: they are no input of any layer.
_SAME = "lapstrake-client"


@dataclass(frozen=True)
class Toolchain:
    """The image that layers are built in: `reference` with a digest, or the file of an archive."""

    reference: str = ""
    archive: Path | None = None

    def container(self, platform: str) -> dagger.Container:
        """The image, for a platform."""
        empty = dag.container(platform=dagger.Platform(platform))
        if self.archive is not None:
            return empty.import_(dag.host().file(str(self.archive)))
        return empty.from_(self.reference)


def own_code() -> dagger.Directory:
    """Lapstrake's code as it is installed here, as far as it builds layers."""
    package = Path(lapstrake.__file__).parent
    return dag.host().directory(
        str(package.parent),
        include=[f"{package.name}/**/*.py", f"{package.name}/**/*.sh"],
        exclude=[f"{package.name}/{part}" for part in _NOT_NEEDED],
    )


@dataclass(frozen=True)
class Bench:
    """The container that every layer's begins with.

    Attributes:
        container: the toolchain with code, settings and volumes.
        platform: what layers are for, `linux/amd64`.
        archives: where the client's cache has wheels and source archives.
    """

    container: dagger.Container
    platform: str
    archives: Path

    @classmethod
    def of(cls, toolchain: Toolchain, settings: Path, platform: str, archives: Path) -> Bench:
        """A bench for a client whose settings lie in a file that nobody else may read."""
        container = toolchain.container(platform).with_mounted_directory(
            str(places.CODE), own_code()
        )
        cache = os.environ.get(CACHE_NAME) or _CACHE
        for name, value in (_ENV if cache == _CACHE else {**_ENV, CACHE_NAME: cache}).items():
            container = container.with_env_variable(name, value)
        for name, place in _VOLUMES.items():
            volume = dag.cache_volume(f"{cache}-{name}")
            container = container.with_mounted_cache(str(place), volume)
        secret = dag.secret(f"file://{settings}", cache_key=_SAME)
        container = (
            container.with_mounted_temp("/tmp")  # noqa: S108 - in the container
            .with_mounted_temp(str(places.APT_SOURCES))
            .with_mounted_secret(str(places.CARRIED), secret)
        )
        return cls(container, platform, archives)

    def layer(self, layer: Layer, below: Mapping[str, dagger.Directory]) -> dagger.Directory:
        """What building a layer leaves: its record and its blobs.

        Args:
            layer: the layer.
            below: the same of the layers that it is built over or from, by id.
        """
        text = dag.directory().with_new_file(places.LAYER.name, encode(layer))
        container = self.container.with_mounted_file(
            str(places.LAYER), text.file(places.LAYER.name)
        )
        for needed in required(layer):
            place = str(places.BELOW / needed.id)
            container = container.with_mounted_directory(place, below[needed.id])
        top, paths = sources(layer)
        if paths:
            files = dag.host().directory(str(top), include=[_pattern(p) for p in paths])
            container = container.with_mounted_directory(str(places.FILES), files)
        for wheel in own_wheels(layer):
            source = wheel.source
            archive = dag.host().file(str(self.archives / source.sha256 / source.filename))
            shown = places.ARCHIVES / source.sha256 / source.filename
            container = container.with_mounted_file(str(shown), archive)
        return container.with_exec(
            self._words("make", self.platform, f"{layer.kind} {layer.title}"),
            insecure_root_capabilities=is_privileged(layer),
        ).directory(str(places.OUT))

    def fetched(self, layers: Sequence[Wheels]) -> dagger.Container:
        """Fetch and compile the wheels of layers at once, into the volumes.

        Each layer's builder would do that for its own; together, an index is asked once and the
        image's Python starts once.
        """
        text = json.dumps(sorted(encode(layer) for layer in layers))
        file = dag.directory().with_new_file(places.LAYERS.name, text).file(places.LAYERS.name)
        count = sum(len(layer.wheels) for layer in layers)
        return self.container.with_mounted_file(str(places.LAYERS), file).with_exec(
            self._words("fetch", self.platform, f"{count} wheels"),
            insecure_root_capabilities=any(is_privileged(layer) for layer in layers),
        )

    def assembled(self, plan: Plan, layers: Mapping[str, dagger.Directory]) -> dagger.Directory:
        """An image's layout, and an archive of it, from what its layers' builders left.

        Args:
            plan: of one image.
            layers: its layers' results, by id.
        """
        text = dag.directory().with_new_file(places.PLAN.name, encode_image(plan))
        container = self.container.with_mounted_file(str(places.PLAN), text.file(places.PLAN.name))
        for name, result in layers.items():
            container = container.with_mounted_directory(str(places.BELOW / name), result)
        words = self._words("assemble", f"image {plan.images[0].name}")
        return container.with_exec(words).directory(str(places.OUT))

    def prime(
        self, folders: Sequence[tuple[str, Path, Sequence[str]]], run: str
    ) -> dagger.Container:
        """Put what the client has fetched into the volumes: once for each build that has to.

        Args:
            folders: of the cache: part, folder, and the paths below it that are wanted.
            run: a name of this build.
        """
        container = self.container.with_env_variable("LAPSTRAKE_BUILD", run)
        for part, folder, paths in folders:
            files = dag.host().directory(str(folder), include=[_pattern(p) for p in paths])
            container = container.with_mounted_directory(str(places.PRIMED / part), files)
        return container.with_exec(self._words("prime"))

    def _words(self, *arguments: str) -> list[str]:
        return ["python3", "-m", places.MODULE, *arguments]


def is_privileged(layer: Layer) -> bool:
    """Whether a layer's builder makes namespaces and mounts."""
    if isinstance(layer, Wheels):
        built = any(isinstance(w, BuiltWheel) for w in layer.wheels)
        return built or layer.interpreter is not None
    return isinstance(layer, Bootstrap | Run)


def _pattern(path: Path | str) -> str:
    """A pattern that only this path matches."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", str(path))
