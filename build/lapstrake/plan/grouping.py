"""Which wheels share a layer.

A wheel is described here by the set of images that take it as their own, that is: that need it
and whose parent doesn't. Large wheels get a layer each. Small ones with the same set lie
together, so that every image has exactly what it needs and no byte is stored twice. Only where an
image would have more layers than its budget are its smallest groups merged, for that image alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from lapstrake.definition.cuda import TOOLKIT
from lapstrake.layers.cuda_links import is_part
from lapstrake.lock.model import Wheel


@dataclass(frozen=True)
class Group:
    """Wheels of one layer, sorted by name, and the images whose own they are, sorted.

    `changing` is one of the repository's own projects: it changes more often than all others.
    """

    wheels: tuple[Wheel, ...]
    images: tuple[str, ...]
    changing: bool = False

    @property
    def size(self) -> int:
        """Bytes of the wheels' files."""
        return sum(w.size for w in self.wheels)

    @property
    def order(self) -> tuple[bool, int, int, str]:
        """What changes least lies lowest: what most images share, then what is large."""
        size = 0 if self.changing else self.size
        return (self.changing, -len(self.images), -size, self.wheels[0].name)


def group_wheels(
    owners: Mapping[Wheel, Iterable[str]], large: int, changing: Container[str] = ()
) -> tuple[Group, ...]:
    """All groups of one resolution, in the order in which an image stacks them.

    Args:
        owners: for each wheel, the images that take it as their own.
        large: bytes from which on a wheel has a layer of its own.
        changing: names of those that have one in any case, above the others.
    """
    together: dict[tuple[tuple[str, ...], bool], list[Wheel]] = defaultdict(list)
    groups: list[Group] = []
    for wheel in sorted(owners, key=lambda w: w.name):
        images = tuple(sorted(owners[wheel]))
        if wheel.name in changing or wheel.size >= large:
            groups.append(Group((wheel,), images, wheel.name in changing))
        else:
            # CUDA's own lie together: so do those of the same version in another resolution
            together[images, is_part(wheel.name) or wheel.name == TOOLKIT].append(wheel)
    groups += [Group(tuple(wheels), images) for (images, _), wheels in together.items()]
    return tuple(sorted(groups, key=lambda g: g.order))


def fit_budget(groups: tuple[Group, ...], image: str, most: int) -> tuple[Group, ...]:
    """The image's groups, its smallest merged until there are at most `most`.

    There stays at least one of those that change often, and one of the others, if two may stay.
    """
    changing = [g for g in groups if g.changing]
    others = [g for g in groups if not g.changing]
    if changing and others and most < 2:
        return tuple(_merged(groups, image, 1))
    others = _merged(others, image, most - len(changing))
    changing = _merged(changing, image, most - len(others))
    return tuple(sorted((*others, *changing), key=lambda g: g.order))


def _merged(groups: Iterable[Group], image: str, most: int) -> list[Group]:
    kept = list(groups)
    while len(kept) > max(most, 1):
        kept.sort(key=lambda g: (0 if g.changing else g.size, g.wheels[0].name))
        first, second = kept[0], kept[1]
        wheels = tuple(sorted((*first.wheels, *second.wheels), key=lambda w: w.name))
        kept[:2] = [Group(wheels, (image,), first.changing)]
    return kept
