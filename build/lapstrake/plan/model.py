"""The plan: what every image is made of. Pure: nothing was touched to make it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from lapstrake.definition.models import Service
from lapstrake.dist import BuiltCuda, Deploying, Token
from lapstrake.layers.kinds import BuiltWheel, Copy, Layer, Run, Wheels, digest_of
from lapstrake.lock.model import Wheel


@dataclass(frozen=True)
class Config:
    """What an image's OCI config says, besides its layers; each mapping is sorted by key.

    `yields` are the variables of `env` that stand back where a root from a registry has its own.
    """

    env: tuple[tuple[str, str], ...]
    entrypoint: tuple[str, ...]
    workdir: str
    volumes: tuple[str, ...]
    ports: tuple[int, ...]
    labels: tuple[tuple[str, str], ...]
    yields: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImagePlan:
    """One image: its layers from the bottom up, its config, and what is said of it elsewhere.

    The last fields are those of `dist.BuiltImage`; `files` are the repository's files that a
    smoke test or a reader of a diff cares for: the folder that defines the image.
    """

    name: str
    description: str
    extends: str | None
    layers: tuple[Layer, ...]
    config: Config
    annotations: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    tokens: tuple[Token, ...]
    services: tuple[Service, ...]
    python: str | None
    requirements: tuple[str, ...]
    budget: int | None
    smoke: tuple[tuple[str, str], ...]
    deploying: Deploying = field(default_factory=Deploying)
    cuda: BuiltCuda | None = None

    @cached_property
    def id(self) -> str:
        """64 hexadecimal digits over the layers' ids and the config: equal ids, equal digests."""
        more = {"yields": list(self.config.yields)} if self.config.yields else {}
        return digest_of(
            {
                "layers": [layer.id for layer in self.layers],
                "config": [list(map(list, self.config.env)), list(self.config.entrypoint)],
                "workdir": self.config.workdir,
                "volumes": list(self.config.volumes),
                "ports": list(self.config.ports),
                "labels": list(map(list, self.config.labels)),
                "annotations": list(map(list, self.annotations)),
                **more,
            }
        )


@dataclass(frozen=True)
class Archive:
    """The source archive of one of the repository's own projects: no index has it."""

    wheel: Wheel
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """The chosen images, each after those that it extends, else by name.

    `archives` are what the repository's own projects are built from, by name of the project.
    """

    family: str
    version: str
    platform: str
    epoch: int
    images: tuple[ImagePlan, ...]
    archives: tuple[Archive, ...] = ()

    def image(self, name: str) -> ImagePlan:
        """The image called `name`; `KeyError` where it isn't in the plan."""
        for image in self.images:
            if image.name == name:
                return image
        raise KeyError(name)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every distinct layer once, each after those that it is built over or from."""
        found: dict[str, Layer] = {}
        for image in self.images:
            for layer in image.layers:
                for needed in (*needs(layer), layer):
                    found.setdefault(needed.id, needed)
        return tuple(found.values())

    def users(self, layer_id: str) -> tuple[str, ...]:
        """The names of the images that have a layer, sorted."""
        return tuple(sorted(i.name for i in self.images if layer_id in {x.id for x in i.layers}))


def needs(layer: Layer) -> Iterator[Layer]:
    """The layers that must be built before `layer`, bottom up, and what they need themselves."""
    for below in direct_needs(layer):
        yield from needs(below)
        yield below


def direct_needs(layer: Layer) -> tuple[Layer, ...]:
    """The layers that a builder of `layer` reads."""
    if isinstance(layer, Run):
        return layer.below
    if isinstance(layer, Copy):
        return layer.layers
    if isinstance(layer, Wheels):
        built = [w for w in layer.wheels if isinstance(w, BuiltWheel)]
        return tuple({x.id: x for w in built for x in w.root}.values())
    return ()


def own_wheels(layer: Layer) -> tuple[BuiltWheel, ...]:
    """The repository's own projects in a layer, by name."""
    wheels = layer.wheels if isinstance(layer, Wheels) else ()
    return tuple(w for w in wheels if isinstance(w, BuiltWheel) and w.own)
