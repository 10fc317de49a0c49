"""Which wheels share a layer.

A wheel is described here by the set of images that take it as their own, that is: that need it
and whose parent doesn't. Large wheels get a layer each. Small ones with the same set lie
together, so that every image has exactly what it needs and no byte is stored twice. Only where an
image would have more layers than its budget are its smallest groups merged, for that image alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lapstrake.lock.model import Wheel


@dataclass(frozen=True)
class Group:
    """Wheels of one layer, sorted by name, and the images whose own they are, sorted."""

    wheels: tuple[Wheel, ...]
    images: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of the wheels' files."""
        return sum(w.size for w in self.wheels)

    @property
    def order(self) -> tuple[int, int, str]:
        """What changes least lies lowest: what most images share, then what is large."""
        return (-len(self.images), -self.size, self.wheels[0].name)


def group_wheels(owners: Mapping[Wheel, Iterable[str]], large: int) -> tuple[Group, ...]:
    """All groups of one resolution, in the order in which an image stacks them.

    Args:
        owners: for each wheel, the images that take it as their own.
        large: bytes from which on a wheel has a layer of its own.
    """
    together: dict[tuple[str, ...], list[Wheel]] = defaultdict(list)
    groups: list[Group] = []
    for wheel in sorted(owners, key=lambda w: w.name):
        images = tuple(sorted(owners[wheel]))
        if wheel.size >= large:
            groups.append(Group((wheel,), images))
        else:
            together[images].append(wheel)
    groups += [Group(tuple(wheels), images) for images, wheels in together.items()]
    return tuple(sorted(groups, key=lambda g: g.order))


def fit_budget(groups: tuple[Group, ...], image: str, most: int) -> tuple[Group, ...]:
    """The image's groups, its smallest merged until there are at most `most` (at least one)."""
    kept = list(groups)
    while len(kept) > max(most, 1):
        kept.sort(key=lambda g: (g.size, g.wheels[0].name))
        first, second = kept[0], kept[1]
        wheels = tuple(sorted((*first.wheels, *second.wheels), key=lambda w: w.name))
        kept[:2] = [Group(wheels, (image,))]
    return tuple(sorted(kept, key=lambda g: g.order))
