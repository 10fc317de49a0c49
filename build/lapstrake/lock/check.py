"""Whether a lock is still that of its definition: pure, no network."""

from __future__ import annotations

from collections.abc import Iterator

from lapstrake.definition.repository import FAMILY_FILE, Repository
from lapstrake.lock.inputs import Part, lock_inputs
from lapstrake.lock.model import Lock

# parts of which nothing but that they are new needs to be said
_WHOLE = {"wheels": "the image", "project": "it"}

# what the entries of a part's list are called
_ENTRIES = {
    "build": "what builds it:",
    "components": "component",
    "constraints": "constraint",
    "overrides": "override",
    "references": "image",
    "requirements": "requirement",
    "runtimes": "runtime",
}


def stale(repo: Repository, lock: Lock) -> list[str]:
    """Why the lock is not this definition's, one reason a line; empty where it is.

    Each names the image and what changed: `runtimes/sklearn: requirement added scikit-learn<2`.
    """
    wanted = lock_inputs(repo)
    reasons: list[str] = []
    for key in sorted({*wanted, *lock.inputs}):
        label = _label(repo, key, wanted.get(key) or lock.inputs[key])
        if key not in lock.inputs:
            reasons += _new(label, key, wanted[key])
        elif key not in wanted:
            reasons += _gone(repo, label, key, wanted)
        else:
            reasons += [f"{label}: {r}" for r in _differences(lock.inputs[key], wanted[key])]
    return list(dict.fromkeys(reasons))


def _label(repo: Repository, key: str, part: Part) -> str:
    """The part as the user knows it: an image's or a project's folder, or the family's file."""
    kind, _, name = key.partition(" ")
    if kind == "project":
        return f"the project in {part.get('folder')}"
    if not name:
        return FAMILY_FILE
    image = repo.images.get(name)
    return repo.relative(image.folder) if image else name


def _new(label: str, key: str, part: Part) -> list[str]:
    kind = key.partition(" ")[0]
    if kind in _WHOLE:
        return [f"{label}: {_WHOLE[kind]} is new"]
    return [f"{label}: {r}" for r in _differences({}, part)] or [f"{label}: {kind} is new"]


def _gone(repo: Repository, label: str, key: str, wanted: dict[str, Part]) -> list[str]:
    kind, _, name = key.partition(" ")
    if kind == "project":
        return [f"{label}: no image has it any more"]
    if f"wheels {name}" not in wanted or name not in repo.images:
        return [f"{label}: the image is gone"]
    return [f"{label}: {kind} is gone"]


def _differences(old: Part, new: Part) -> Iterator[str]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before or [], list) and isinstance(after or [], list):
            yield from _entries(_ENTRIES.get(key, key.removesuffix("s")), before, after)
        elif key == "dynamic":
            yield "what its backend finds requirements in changed"
        else:
            yield f"{key} was {_said(before)}, is {_said(after)}"


def _entries(name: str, before: object, after: object) -> Iterator[str]:
    old = [str(e) for e in before] if isinstance(before, list) else []
    new = [str(e) for e in after] if isinstance(after, list) else []
    for entry in new:
        if entry not in old:
            yield f"{name} added {entry}"
    for entry in old:
        if entry not in new:
            yield f"{name} removed {entry}"


def _said(value: object) -> str:
    return "not given" if value is None else str(value)
