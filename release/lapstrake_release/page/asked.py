"""What a registry adds to the facts of a page: verdicts, addresses, channels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from lapstrake.definition.repository import Repository as Definition
from lapstrake.redact import redact
from lapstrake_release import scan, verdicts
from lapstrake_release.channels.history import read_lines
from lapstrake_release.channels.record import Line
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.channels.state import Standing, read_channels
from lapstrake_release.page.facts import Channel, Held, Image, Move, PageFacts
from lapstrake_release.page.gather import pulls_from
from lapstrake_release.verdicts.model import Verdict

# So many moves of a channel are on the page; the registry has all.
_MOST = 50


def ask(facts: PageFacts, definition: Definition, registry: ChannelRegistry) -> PageFacts:
    """The facts, with what a registry says of the same digests, and its channels.

    Raises:
        UserError: it can't be reached, or what lies there can't be read.
    """
    said = verdicts.read_all(registry, {i.digest for i in facts.images})
    scans = scan.latest_of_all(registry, {i.digest for i in facts.images})
    places = _places(facts.images, registry)
    images = tuple(
        replace(
            image,
            verdicts=tuple(map(_public, said[image.digest])),
            findings=scans[image.digest],
            pulls=pulls_from(places[image.name]) if places[image.name] else image.pulls,
        )
        for image in facts.images
    )
    names = [c.name for c in definition.family.channels]
    return replace(
        facts,
        images=images,
        repository=str(registry.repository),
        read_at=datetime.fromtimestamp(registry.now, UTC),
        channels=tuple(_channel(s, registry) for s in read_channels(registry, names)),
    )


def _places(images: Sequence[Image], registry: ChannelRegistry) -> dict[str, tuple[str, ...]]:
    """Where the registry has just these images, by digest first, then by name."""
    wanted = [(i, t) for i in images for t in i.tags]
    held = registry.each(wanted, lambda w: registry.digest(w[1]))
    found: dict[str, tuple[str, ...]] = {i.name: () for i in images}
    for (image, name), digest in zip(wanted, held, strict=True):
        if digest == image.digest:
            pinned = (f"{registry.repository}@{digest}",)
            found[image.name] = (*(found[image.name] or pinned), f"{registry.repository}:{name}")
    return found


def _public(verdict: Verdict) -> Verdict:
    return verdict.model_copy(update={"note": redact(verdict.note)})


def _channel(standing: Standing, registry: ChannelRegistry) -> Channel:
    last = standing.last
    # one more than is shown: it tells what the last one shown came after
    lines = list(itertools.islice(read_lines(registry, last), _MOST + 1)) if last else []
    shown = lines[:_MOST]
    held = tuple(Held(i.name, standing.now[i.suffix]) for i in last.images) if last else ()
    return Channel(
        name=standing.channel,
        number=last.number if last else 0,
        version=standing.version,
        images=held,
        trouble=_trouble(standing),
        moves=tuple(_move(x, lines[at + 1 : at + 2]) for at, x in enumerate(shown)),
        older=max(shown[-1].number - 1, 0) if len(lines) > _MOST else 0,
    )


def _trouble(standing: Standing) -> str:
    there = len(standing.now) - len(standing.amiss)
    of_all = f"{there} of {len(standing.now)} images are moved"
    match standing.condition:
        case "moving":
            return f"being moved by {standing.mover}: {of_all}"
        case "interrupted":
            return f"a move was interrupted: {of_all}"
        case "strayed":
            names = ", ".join(i.name for i, _ in standing.amiss)
            return f"something else has moved {names}"
        case _:
            return ""


def _move(line: Line, before: Sequence[Line]) -> Move:
    return Move(
        number=line.number,
        kind=line.kind,
        version=line.wanted if line.state == "undone" else line.version,
        before=before[0].version if before else "",
        at=datetime.fromisoformat(line.when),
        by=line.who,
        why=redact(line.why),
        state=line.state,
    )
