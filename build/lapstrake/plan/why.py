"""Why a layer will be built: which of its inputs differ from the last build's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lapstrake.dist import Build
from lapstrake.engines.built import is_complete
from lapstrake.layers.kinds import Layer
from lapstrake.plan.model import ImagePlan
from lapstrake.store.store import Store

_NEW = "not built here before"

# A list of reasons longer than this is cut: a person wants the first few.
_MOST = 8


@dataclass(frozen=True)
class LayerState:
    """One layer of an image in the plan.

    `cached` tells whether the cache has it. `reasons` say why its id differs from that of the
    last build (empty where it doesn't), `size` is its compressed bytes where it is cached.
    """

    layer: Layer
    cached: bool
    size: int
    reasons: tuple[str, ...]


def layer_states(image: ImagePlan, last: Build | None, store: Store | None) -> list[LayerState]:
    """The state of each of an image's layers, bottom up; `store` is None where there is none."""
    before = _last_layers(image.name, last)
    states = []
    for layer in image.layers:
        record = store.record(layer.id) if store else None
        same = layer.id in before
        reasons = () if same else _reasons(layer, before, image, store)
        if not same and record is not None and not before:
            reasons = ()
        size = sum(b.size for b in record.blobs) if record else 0
        cached = record is not None and store is not None and is_complete(layer, store)
        states.append(LayerState(layer, cached, size, reasons))
    return states


def _last_layers(name: str, last: Build | None) -> dict[str, tuple[str, str]]:
    """Id -> (kind, title) of the image's layers in the last build, bottom up."""
    images = [i for i in last.images if i.name == name] if last else []
    return {x.id: (x.kind, x.title) for i in images for x in i.layers}


def _reasons(
    layer: Layer, before: Mapping[str, tuple[str, str]], image: ImagePlan, store: Store | None
) -> tuple[str, ...]:
    old = _counterpart(layer, before, image, store)
    if old is None:
        return (_NEW,)
    found = list(differences(old, layer.inputs()))
    if len(found) > _MOST:
        found[_MOST:] = [f"and {len(found) - _MOST} more"]
    return tuple(found) or ("made by another version of lapstrake",)


def _counterpart(
    layer: Layer, before: Mapping[str, tuple[str, str]], image: ImagePlan, store: Store | None
) -> Mapping[str, object] | None:
    """The inputs of the layer that stood in this one's place: of its kind, and most like it."""
    if store is None:
        return None
    now = {x.id for x in image.layers}
    candidates = [i for i, (kind, _) in before.items() if kind == layer.kind and i not in now]
    records = [r for i in candidates if (r := store.record(i)) is not None]
    records.sort(key=lambda r: (-_likeness(r.inputs, layer.inputs()), r.title != layer.title))
    return records[0].inputs if records else None


def _likeness(old: Mapping[str, object], new: Mapping[str, object]) -> float:
    ours, theirs = set(flat(old)), set(flat(new))
    return len(ours & theirs) / max(len(ours | theirs), 1)


def differences(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    """What differs between two layers' inputs, a line each; sorted by what it is about."""
    before, after = flat(old), flat(new)
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) == after.get(key):
            continue
        if key.startswith("below"):
            yield "a layer below it changed"
            return
        yield _difference(key, before.get(key), after.get(key))


def _difference(key: str, old: str | None, new: str | None) -> str:
    what = key.replace(".", " ", 1)
    if old is None:
        return f"{what} added ({_short(new)})"
    if new is None:
        return f"{what} removed"
    if _short(old) == _short(new):
        return f"{what} changed"
    return f"{what}: {_short(old)} → {_short(new)}"


def _short(value: str | None) -> str:
    """A version, or as much of a hash as a person compares."""
    first = (value or "").split(" ")[0]
    return first if len(first) < 40 else f"{first[:37]}…"


def flat(value: object, prefix: str = "") -> dict[str, str]:
    """Nested mappings and lists as `key.key` -> text; one `below` for all layers below."""
    if isinstance(value, Mapping):
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= flat(inner, f"{prefix}.{key}" if prefix else str(key))
        return found
    if isinstance(value, list | tuple):
        if prefix == "below":
            return {prefix: " ".join(map(str, value))}
        return {f"{prefix}.{i}": str(v) for i, v in enumerate(value)}
    return {prefix: str(value)}
