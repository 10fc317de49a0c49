"""Layers as JSON: how a layer's value travels to the engine, and back into a value there.

What is written is canonical and names no path of this machine, since the engine's cache goes by
it. A layer that others lie over or come from is written once, by its id. Of such a layer only what
its id depends on is kept: whoever builds over it gets its blobs.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

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
from lapstrake.lock.model import Deb, Wheel
from lapstrake.plan.model import Config, ImagePlan, Plan, direct_needs

Json = dict[str, Any]

_KINDS: dict[str, type[Layer]] = {
    kind.__name__.lower(): kind for kind in (Bootstrap, Pulled, Run, Wheels, Files, Copy)
}


@dataclass(frozen=True)
class Interpreters:
    """The Pythons that come in Debian packages, by version and path.

    They travel apart from the layers that they compile: an update of some other package of the
    root makes another set of packages, from which the same interpreter makes the same bytes.
    """

    found: Mapping[str, Interpreter]

    @classmethod
    def of(cls, layers: Iterable[Layer]) -> Interpreters:
        """Those of all `Wheels` among the layers."""
        users = (x.interpreter for x in layers if isinstance(x, Wheels))
        return cls({_name(i): i for i in users if i is not None and not is_pulled(i)})

    def to_json(self) -> Json:
        """As plain JSON."""
        return {
            name: {"interpreter": _interpreter(i, whole=True), "layers": _bodies(i.layers)}
            for name, i in sorted(self.found.items())
        }

    @classmethod
    def from_json(cls, value: Json) -> Interpreters:
        """The inverse of `to_json`."""
        found = {}
        for name, part in value.items():
            reader = _Reader(part["layers"], Path("/"), cls({}))
            body = part["interpreter"]
            found[name] = Interpreter(body["version"], body["path"], reader.layers(body["layers"]))
        return cls(found)

    def get(self, version: str, path: str) -> Interpreter:
        """The one of a name; one without packages where nothing is known of it."""
        return self.found.get(f"{version} {path}") or Interpreter(version, path, ())


def is_pulled(interpreter: Interpreter) -> bool:
    """Whether a Python comes in an image of a registry, by whose digest it is known."""
    return any(isinstance(layer, Pulled) for layer in interpreter.layers)


def required(layer: Layer) -> tuple[Layer, ...]:
    """The layers whose blobs a builder of `layer` must be given, bottom up, each once."""
    found = {x.id: x for x in direct_needs(layer)}
    if isinstance(layer, Wheels) and layer.interpreter and is_pulled(layer.interpreter):
        found |= {x.id: x for x in layer.interpreter.layers}
    return tuple(found.values())


def sources(layer: Layer) -> tuple[Path, tuple[Path, ...]]:
    """The repository's files that a layer is made of: a folder, and the paths below it."""
    entries = layer.entries if isinstance(layer, Files) else ()
    paths = sorted({e.source for e in entries if e.source is not None})
    if not paths:
        return Path("/"), ()
    top = Path(os.path.commonpath([p.parent for p in paths]))
    return top, tuple(p.relative_to(top) for p in paths)


def encode(layer: Layer) -> str:
    """A layer as canonical JSON."""
    top, _ = sources(layer)
    body = {
        "layer": {**_body(layer, top), "id": layer.id},
        "layers": _bodies(required(layer)),
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def decode(text: str, top: Path, interpreters: Interpreters) -> Layer:
    """The layer that `encode` wrote.

    Args:
        text: the JSON.
        top: where the repository's files lie that it is made of.
        interpreters: the Pythons that come in packages.

    Raises:
        ValueError: it has another id here: it was written by another Lapstrake.
    """
    value = json.loads(text)
    body = dict(value["layer"])
    wanted = body.pop("id")
    layer = _Reader(value["layers"], top, interpreters).layer(body)
    if layer.id != wanted:
        msg = f"the layer {wanted} is {layer.id} here"
        raise ValueError(msg)
    return layer


def encode_image(plan: Plan) -> str:
    """What an image's manifest and config depend on, as canonical JSON; `plan` is of it alone."""
    image = plan.images[0]
    body = {
        "name": image.name,
        "platform": plan.platform,
        "epoch": plan.epoch,
        "annotations": image.annotations,
        "config": {f.name: getattr(image.config, f.name) for f in fields(image.config)},
        "layers": [[x.id, x.kind, x.title] for x in image.layers],
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def decode_image(text: str) -> Plan:
    """As much of the plan as `encode_image` wrote: what is assembled doesn't depend on the rest."""
    body = json.loads(text)
    image = ImagePlan(
        name=body["name"],
        description="",
        extends=None,
        layers=tuple(_Known(title, kind, name) for name, kind, title in body["layers"]),
        config=Config(**{name: _tuples(value) for name, value in body["config"].items()}),
        annotations=_tuples(body["annotations"]),
        tags=(),
        tokens=(),
        services=(),
        python=None,
        requirements=(),
        budget=None,
        smoke=(),
    )
    return Plan("", "", body["platform"], body["epoch"], (image,))


class _Known(Layer):
    """A layer of which nothing is known but its id, kind and title."""

    def __init__(self, title: str, kind: str, name: str) -> None:
        super().__init__(title)
        vars(self).update(kind=kind, id=name)

    def inputs(self) -> Json:
        """None are known."""
        return {}


def _bodies(layers: Iterable[Layer]) -> Json:
    """Layers by id, with those that they refer to."""
    found: Json = {}
    waiting = list(layers)
    while waiting:
        layer = waiting.pop()
        if layer.id not in found:
            found[layer.id] = _body(_bare(layer), Path("/"))
            waiting += required(layer)
    return found


def _bare(layer: Layer) -> Layer:
    """A layer without what its id doesn't depend on."""
    if not isinstance(layer, Files):
        return layer
    return replace(layer, entries=tuple(replace(e, data=None, source=None) for e in layer.entries))


def _body(layer: Layer, top: Path) -> Json:
    found: Json = {"type": type(layer).__name__.lower()}
    for field in fields(layer):
        found[field.name] = _plain(getattr(layer, field.name), top)
    return found


def _plain(value: object, top: Path) -> object:
    found: object = value
    if isinstance(value, tuple):
        found = [_plain(v, top) for v in value]
    elif isinstance(value, Layer):
        found = value.id
    elif isinstance(value, Deb | Wheel):
        found = value.model_dump(mode="json")
    elif isinstance(value, BuiltWheel):
        found = {f.name: _plain(getattr(value, f.name), top) for f in fields(value)}
    elif isinstance(value, Interpreter):
        found = _interpreter(value, whole=is_pulled(value))
    elif isinstance(value, FileEntry):
        found = _entry(value, top)
    return found


def _interpreter(value: Interpreter, *, whole: bool) -> Json:
    found: Json = {"version": value.version, "path": value.path}
    return {**found, "layers": [x.id for x in value.layers]} if whole else found


def _entry(entry: FileEntry, top: Path) -> Json:
    found = {f.name: getattr(entry, f.name) for f in fields(entry)}
    if entry.data is not None:
        found["data"] = base64.b64encode(entry.data).decode()
    if entry.source is not None:
        found["source"] = entry.source.relative_to(top).as_posix()
    return found


class _Reader:
    """Makes layers of their JSON; those that others refer to are made once."""

    def __init__(self, bodies: Json, top: Path, interpreters: Interpreters) -> None:
        self._bodies = bodies
        self._top = top
        self._interpreters = interpreters
        self._made: dict[str, Layer] = {}

    def layers(self, ids: Iterable[str]) -> tuple[Layer, ...]:
        """Layers by their ids."""
        return tuple(self._named(x) for x in ids)

    def _named(self, name: str) -> Layer:
        if name not in self._made:
            self._made[name] = self.layer(self._bodies[name])
        return self._made[name]

    def layer(self, body: Json) -> Layer:
        """A layer of its own fields."""
        values = dict(body)
        kind = _KINDS[values.pop("type")]
        made: Callable[..., Layer] = kind
        return made(**{name: self._field(name, v) for name, v in values.items()})

    def _field(self, name: str, value: Any) -> Any:
        readers: dict[str, Callable[[Any], Any]] = {
            "below": self.layers,
            "layers": self.layers,
            "debs": lambda v: tuple(Deb.model_validate(x) for x in v),
            "wheels": lambda v: tuple(self._wheel(x) for x in v),
            "entries": lambda v: tuple(self._file(x) for x in v),
            "interpreter": lambda v: None if v is None else self._interpreter(v),
        }
        if name in readers:
            return readers[name](value)
        return _tuples(value)

    def _interpreter(self, body: Json) -> Interpreter:
        if "layers" in body:
            return Interpreter(body["version"], body["path"], self.layers(body["layers"]))
        return self._interpreters.get(body["version"], body["path"])

    def _wheel(self, body: Json) -> Wheel | BuiltWheel:
        if "source" not in body:
            return Wheel.model_validate(body)
        return BuiltWheel(
            Wheel.model_validate(body["source"]),
            tuple(Wheel.model_validate(t) for t in body["tools"]),
            self.layers(body["root"]),
            body["own"],
        )

    def _file(self, body: Json) -> FileEntry:
        values = dict(body)
        if values["data"] is not None:
            values["data"] = base64.b64decode(values["data"])
        if values["source"] is not None:
            values["source"] = self._top / PurePosixPath(values["source"])
        return FileEntry(**values)


def _name(interpreter: Interpreter) -> str:
    return f"{interpreter.version} {interpreter.path}"


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
