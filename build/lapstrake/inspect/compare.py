"""What differs between two images: packages, bytes, config, and layers field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lapstrake.inspect.contents import PackageChange, package_changes, packages_of
from lapstrake.inspect.images import Image, LayerBlob
from lapstrake.inspect.layers import Difference, compare_layers


@dataclass(frozen=True)
class LayerChange:
    """Two layers that stand for each other and have different digests.

    `same_inputs` tells that both have one layer id: they should have been equal. `number` is the
    position in A, from 1.
    """

    a: LayerBlob
    b: LayerBlob
    number: int
    same_inputs: bool
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Bytes:
    """Compressed bytes, and how many distinct layers they are."""

    size: int
    layers: int


@dataclass(frozen=True)
class Comparison:
    """All that differs between two images; nothing of it where `equal`."""

    a: Image
    b: Image
    packages: tuple[PackageChange, ...] = ()
    shared: Bytes = Bytes(0, 0)
    only_a: Bytes = Bytes(0, 0)
    only_b: Bytes = Bytes(0, 0)
    config: tuple[Difference, ...] = ()
    layers: tuple[LayerChange, ...] = ()
    alone_a: tuple[LayerBlob, ...] = ()
    alone_b: tuple[LayerBlob, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether it is one image: then manifests, and with them all bytes, are the same."""
        return self.a.digest == self.b.digest


def compare(a: Image, b: Image) -> Comparison:
    """Compare two images.

    Raises:
        UserError: a layer can't be read.
    """
    if a.digest == b.digest:
        return Comparison(a, b, shared=_bytes(a.layers))
    ours, theirs = {x.digest for x in a.layers}, {x.digest for x in b.layers}
    pairs = pair_layers(a.layers, b.layers)
    left, right = {id(x) for x, _ in pairs}, {id(y) for _, y in pairs}
    return Comparison(
        a,
        b,
        _packages(a, b) if ours != theirs else (),
        _bytes([x for x in a.layers if x.digest in theirs]),
        _bytes([x for x in a.layers if x.digest not in theirs]),
        _bytes([x for x in b.layers if x.digest not in ours]),
        tuple(_config(a, b)),
        tuple(_change(a, x, y) for x, y in pairs),
        tuple(x for x in a.layers if x.digest not in theirs and id(x) not in left),
        tuple(x for x in b.layers if x.digest not in ours and id(x) not in right),
    )


def _bytes(layers: Sequence[LayerBlob]) -> Bytes:
    sizes = {x.digest: x.size for x in layers}
    return Bytes(sum(sizes.values()), len(sizes))


def _packages(a: Image, b: Image) -> tuple[PackageChange, ...]:
    ours, theirs = (packages_of([x.blob for x in i.layers]) for i in (a, b))
    return package_changes(ours, theirs)


def pair_layers(
    a: Sequence[LayerBlob], b: Sequence[LayerBlob]
) -> list[tuple[LayerBlob, LayerBlob]]:
    """Layers with different digests that stand for each other, in A's order.

    First those of one layer id, then those of one kind and title, or of one kind and subject, and
    layers of others by their position.
    """
    known_a, known_b = {x.digest for x in a}, {x.digest for x in b}
    left = {i: x for i, x in enumerate(a) if x.digest not in known_b}
    right = {i: x for i, x in enumerate(b) if x.digest not in known_a}
    pairs: dict[int, int] = {}
    for key in (_identity, _title, _subject, _position):
        there: dict[object, int] = {}
        for j, y in right.items():
            if (k := key(j, y)) is not None:
                there.setdefault(k, j)
        for i, x in list(left.items()):
            k = key(i, x)
            if k is not None and k in there:
                pairs[i] = there.pop(k)
                del left[i], right[pairs[i]]
    return [(a[i], b[j]) for i, j in sorted(pairs.items())]


def _identity(at: int, layer: LayerBlob) -> object:
    del at
    return (layer.id, layer.number) if layer.id else None


def _title(at: int, layer: LayerBlob) -> object:
    del at
    return (layer.kind, layer.title, layer.number) if layer.title else None


def _subject(at: int, layer: LayerBlob) -> object:
    """What a title is about: `numpy` of `numpy 2.4.6`, `wheels of slim` of `66 wheels of slim`."""
    del at
    first, _, rest = layer.title.partition(" ")
    subject = rest if first.isdigit() else first.rstrip(",")
    return (layer.kind, subject, layer.number) if layer.kind and subject else None


def _position(at: int, layer: LayerBlob) -> object:
    return None if layer.kind else at


def _change(image: Image, a: LayerBlob, b: LayerBlob) -> LayerChange:
    same_inputs = bool(a.id) and (a.id, a.number) == (b.id, b.number)
    found = tuple(compare_layers(a.blob, b.blob))
    return LayerChange(a, b, image.layers.index(a) + 1, same_inputs, found)


def _config(a: Image, b: Image) -> list[Difference]:
    """The fields of config and annotations that differ; not those that only list the layers."""
    found = []
    for part, ours, theirs in (
        ("", a.config, b.config),
        ("annotations.", a.annotations, b.annotations),
    ):
        before, after = _fields(ours), _fields(theirs)
        found += [
            Difference("", f"{part}{k}", before.get(k, "none"), after.get(k, "none"))
            for k in sorted(before.keys() | after.keys())
            if before.get(k) != after.get(k)
        ]
    return found


def _fields(config: Mapping[str, object]) -> dict[str, str]:
    """A config as `key.key` -> text; Env as a mapping, lists as a whole."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if key in {"rootfs", "history"}:
            continue
        inner = value
        if key == "Env" and isinstance(value, list):
            inner = dict(str(line).partition("=")[::2] for line in value)
        if isinstance(inner, Mapping) and inner:
            flat |= {f"{key}.{k}": v for k, v in _fields(inner).items()}
        else:
            flat[key] = str(inner)
    return flat
