"""Which of a package's wheels fits an image best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from lapstrake.fetch.pylock import Address
from lapstrake.fetch.uv import MACHINES, Target

# Names that PEP 600 gave to older platforms, and the C library that each stands for.
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST = {"x86_64": 5, "aarch64": 17}


@lru_cache(maxsize=16)
def ranks(target: Target) -> dict[Tag, int]:
    """Every tag that the target can install -> its place, the best first."""
    major, minor = (int(part) for part in target.python.split(".")[:2])
    interpreter = f"cp{major}{minor}"
    platforms = tuple(_platforms(target))
    tags = [
        *cpython_tags((major, minor), abis=[interpreter], platforms=platforms),
        *compatible_tags((major, minor), interpreter=interpreter, platforms=platforms),
    ]
    return {tag: place for place, tag in reversed(list(enumerate(tags)))}


def _platforms(target: Target) -> Iterator[str]:
    machine = MACHINES[target.platform]
    newest = int(target.glibc.split(".")[1])
    for minor in range(newest, _OLDEST[machine] - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{machine}"
    yield f"linux_{machine}"


def best_wheel(files: Iterable[Address], target: Target) -> Address | None:
    """The wheel that pip would choose in the image; None where none fits."""
    found: list[tuple[int, tuple[int, str], str, Address]] = []
    known = ranks(target)
    for file in files:
        try:
            _, _, build, tags = parse_wheel_filename(file.filename)
        except InvalidWheelFilename:
            continue
        places = [known[tag] for tag in tags if tag in known]
        if places:
            number, rest = build or (0, "")
            found.append((min(places), (-number, rest), file.filename, file))
    return min(found, key=lambda f: f[:3])[3] if found else None
