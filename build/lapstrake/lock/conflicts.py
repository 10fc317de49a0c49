"""Finding who is to blame where requirements can't be satisfied together.

What uv says is about packages; here it is said in terms of images and lines. Each trial is a
run of uv whose answers come from its cache.
"""

from __future__ import annotations

from collections.abc import Sequence

from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.fetch.uv import Unsolvable, Uv
from lapstrake.lock.demand import Demand, Wanted

_NO_WHEELS = "`pip index versions cuda-toolkit` lists the versions that there are as wheels"
_APART = "loosen one of the two, or set one of the runtimes `apart: true`"


class Trials:
    """Asks uv whether some of a demand's images, or requirements, go together."""

    def __init__(self, demand: Demand, uv: Uv) -> None:
        self._demand = demand
        self._uv = uv

    def fails(self, wanted: Sequence[Wanted]) -> Unsolvable | None:
        """The objection to some requirements together; None where it has none."""
        try:
            self._uv.compile(
                [w.text for w in wanted],
                constraints=self._demand.constraints,
                overrides=self._demand.overrides,
                pylock=False,
            )
        except Unsolvable as error:
            return error
        return None

    def images(self, names: Sequence[str]) -> tuple[Wanted, ...]:
        """The requirements of some images with all that lies below each, without repetitions."""
        parts = [p.name for n in names for p in self._demand.repo.ancestry(n)]
        return self._demand.of(dict.fromkeys(parts))

    def first_bad(self, base: Sequence[Wanted], more: Sequence[Wanted]) -> tuple[int, Unsolvable]:
        """The place in `more` up to which, over `base`, it can't go; all of it must fail."""
        low, high = 0, len(more)
        error = self.fails([*base, *more])
        while low + 1 < high:
            middle = (low + high) // 2
            objection = self.fails([*base, *more[:middle]])
            if objection is None:
                low = middle
            else:
                high, error = middle, objection
        if error is None:
            msg = "what failed before no longer fails"
            raise AssertionError(msg)
        return high - 1, error


def explain(demand: Demand, uv: Uv, error: Unsolvable) -> UserError:
    """The error that says which image's requirement, or which two runtimes, can't be satisfied."""
    trials = Trials(demand, uv)
    names = _by_depth(demand)
    for name in names:
        if trials.fails(trials.images([name])) is not None:
            return _alone(demand, trials, name)
    return _together(demand, trials, names) or error


def _by_depth(demand: Demand) -> list[str]:
    """The images with requirements: those that others extend first, then by name."""
    having = [n for n in demand.images if demand.of([n])]
    return sorted(having, key=lambda n: (len(demand.repo.ancestry(n)), n))


def _alone(demand: Demand, trials: Trials, name: str) -> UserError:
    """One image can't be satisfied, though those below it can: the requirement that fails."""
    below = [i.name for i in demand.repo.ancestry(name)[:-1]]
    own = demand.of([name])
    place, error = trials.first_bad(demand.of(below), own)
    alone = trials.fails([own[place]])
    says = "can't be satisfied" if alone else "can't go with the requirements before or below it"
    if alone and own[place].said and own[place].text.partition("[")[0] in alone.reason:
        # of its versions uv says between which others it looked, which is no help
        text = f"{own[place].where}: there are no wheels of {own[place].said}"
        return UserError(text, _NO_WHEELS, alone.details)
    return UserError(
        f"{own[place].where}: {own[place].shown} {says}: {(alone or error).reason}",
        "",
        (alone or error).details,
    )


def _together(demand: Demand, trials: Trials, names: list[str]) -> UserError | None:
    """Each image can be satisfied, all can't: the first that can't go with one before it."""
    low, high = 0, len(names)
    while low + 1 < high:
        middle = (low + high) // 2
        if trials.fails(trials.images(names[:middle])) is None:
            low = middle
        else:
            high = middle
    second = names[high - 1]
    for first in names[: high - 1]:
        if trials.fails(trials.images([first, second])) is not None:
            return _pair(demand, trials, (first, second))
    base = trials.images(names[: high - 1])
    own = demand.of([second])
    if trials.fails([*base, *own]) is None:
        return None
    place, error = trials.first_bad(base, own)
    label = _label(demand.repo, second)
    return UserError(
        f"{label} can't agree with the images before it: {own[place].shown} ({own[place].where}): "
        f"{error.reason}",
        _APART,
        error.details,
    )


def _pair(demand: Demand, trials: Trials, names: tuple[str, str]) -> UserError:
    first, second = names
    others = demand.of([first])
    under = [w for w in trials.images([first]) if w not in others]
    more = [w for w in trials.images([second]) if w not in others and w not in under]
    place, error = trials.first_bad([*under, *others], more)
    bad = more[place]
    other = others[trials.first_bad([*under, *more[: place + 1]], others)[0]]
    labels = f"{_label(demand.repo, first)} and {_label(demand.repo, second)}"
    return UserError(
        f"{labels} can't agree: {other.shown} ({other.where}) and {bad.shown} ({bad.where}): "
        f"{error.reason}",
        _APART,
        error.details,
    )


def _label(repo: Repository, name: str) -> str:
    """An image as the user knows it: its folder."""
    return repo.relative(repo.images[name].folder)
