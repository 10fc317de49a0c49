"""Which of a resolution's wheels each image needs.

With every version pinned, what a set of requirements leads to is the union of what each of them
leads to. So uv is asked once for an image's own requirements, with the pins as bounds (it answers
from its cache in some 50 ms), and an image has what all of its parts have.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lapstrake.errors import UserError
from lapstrake.fetch.uv import Uv
from lapstrake.lock.demand import Demand

_PROCESSES = 3


def closures(demand: Demand, pins: Mapping[str, str], uv: Uv) -> dict[str, tuple[str, ...]]:
    """The sorted names of all wheels that each of a demand's images needs.

    Args:
        demand: the images and their requirements.
        pins: the resolution's versions by name.
        uv: set to the resolution's target.
    """
    bounds = [f"{name}=={version}" for name, version in sorted(pins.items())]
    bounds += demand.local
    asked = {n: tuple(w.text for w in demand.of([n])) for n in demand.images}
    distinct = sorted({texts for texts in asked.values() if texts})
    with ThreadPoolExecutor(_PROCESSES) as pool:
        answers = pool.map(lambda texts: _reached(texts, bounds, demand, uv), distinct)
        reached = dict(zip(distinct, answers, strict=True))
    own = {name: reached.get(texts, frozenset()) for name, texts in asked.items()}
    return {
        name: tuple(sorted(frozenset().union(*(own[p] for p in demand.parts(name)))))
        for name in demand.images
    }


def _reached(texts: tuple[str, ...], bounds: list[str], demand: Demand, uv: Uv) -> frozenset[str]:
    """The names of what some requirements lead to: from uv's cache, else with the network."""
    options = ("--prerelease", "allow")
    try:
        pins = uv.compile(
            texts,
            options=(*options, "--offline"),
            constraints=bounds,
            overrides=demand.overrides,
            pylock=False,
        )
    except UserError:
        pins = uv.compile(
            texts, options=options, constraints=bounds, overrides=demand.overrides, pylock=False
        )
    lines = (line.split("#")[0].strip() for line in pins.splitlines())
    return frozenset(canonicalize_name(Requirement(line).name) for line in lines if line)
