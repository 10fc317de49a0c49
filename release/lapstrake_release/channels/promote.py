"""Putting a version into a channel, here or in another registry: by digest, never rebuilt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lapstrake import process
from lapstrake.definition.channels import ChannelSpec
from lapstrake.definition.repository import Repository as Definition
from lapstrake.errors import UserError
from lapstrake.report.progress import Progress
from lapstrake.version import Version, version_or_none
from lapstrake_release import gates, verdicts
from lapstrake_release.beside.artifact import read_tag
from lapstrake_release.channels.copy import check_names, copy_family
from lapstrake_release.channels.family import Family, read_family
from lapstrake_release.channels.move import Author, Mover, Wanted
from lapstrake_release.channels.moved import Moved
from lapstrake_release.channels.record import Held, Move
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.channels.settings import check_kind, find_channel
from lapstrake_release.problems import Problems

Places = Sequence[tuple[ChannelRegistry, ChannelRegistry]]


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        channel: into which channel.
        without: images of the definition that the version needn't have.
        author: who asks for it.
    """

    definition: Definition
    channel: ChannelSpec
    version: Version
    author: Author
    without: Collection[str] = ()


class _Plan:
    """One target, looked at: what would be moved there."""

    def __init__(self, order: Order, source: ChannelRegistry, target: ChannelRegistry) -> None:
        self.order = order
        self.source = source
        self.target = target
        self.mover = Mover(target, order.channel.name, order.author)
        self.family = read_family(source, order.definition, order.version, order.without)
        self.said: tuple[str, ...] = ()

    @property
    def is_elsewhere(self) -> bool:
        """Whether the images come from another repository."""
        return self.source.repository != self.target.repository

    def check(self) -> None:
        """See that the version may enter the channel.

        Raises:
            Refusal: with everything that is missing.
        """
        problems = Problems()
        with problems.collected():
            check_kind(self.order.channel, self.order.version)
        with problems.collected():
            _check_before(self.order, self.source, self.family)
        with problems.collected():
            if self.is_elsewhere:
                self.target.check_push()
                check_names(self.target, self.family)
        images = [gates.Image(i.name, i.digest) for i in self.family.images]
        rules = gates.Rules.of(self.order.definition)
        for problem in gates.unmet(self.order.channel.needs, self.source, images, rules):
            with problems.collected():
                raise problem
        problems.check()
        self.said = _verdicts(self.source, self.family.images)

    def move(self, progress: Progress) -> Moved:
        """Do it."""
        last, repaired = self.mover.settled()
        repository = self.target.repository
        if last is not None and _holds(last, self.family):
            restored = self.mover.restore(last)
            return Moved(repository, "same", last, last, repaired, restored)
        copied = 0
        if self.is_elsewhere:
            copied = copy_family(self.source, self.target, self.family, progress)
        self.mover.know(self.family.manifests.values())
        wanted = Wanted(
            kind="promote",
            version=self.order.version.ours,
            images=self.family.images,
            seen=last.digest if last else "",
            source=str(self.source.repository) if self.is_elsewhere else "",
            verdicts=self.said,
            needs=tuple(self.order.channel.needs),
        )
        move = self.mover.move(wanted)
        return Moved(repository, "moved", move, last, repaired, copied=copied)


def promote(order: Order, places: Places, progress: Progress) -> list[Moved]:
    """Put a version into a channel of one repository or several.

    Everything is checked everywhere before anything moves anywhere.

    Args:
        order: what is asked for.
        places: from which repository into which; the same one, or another.
        progress: told of blobs that travel.

    Raises:
        Refusal: with everything that is in the way.
        UserError: a registry refuses, or can't be reached.
    """
    moved: list[Moved] = []
    for plan in _plans(order, places):
        try:
            moved.append(plan.move(progress))
        except process.Stopped:
            raise
        except UserError as error:
            done = [f"{m.repository}: {m.move.channel} holds {order.version}" for m in moved]
            raise UserError(error.message, error.hint, (*error.details, *done)) from error
    return moved


def check_promotion(order: Order, places: Places) -> Family:
    """See whether anything is in the way of `promote`, and what would be put there."""
    return _plans(order, places)[0].family


def _plans(order: Order, places: Places) -> list[_Plan]:
    plans = [_Plan(order, source, target) for source, target in places]
    _check_agreed(plans)
    problems = Problems()
    for plan in plans:
        with problems.collected():
            plan.check()
    problems.check()
    return plans


def _check_agreed(plans: Sequence[_Plan]) -> None:
    """See that a version is the same in all registries."""
    first, *others = plans
    for plan in others:
        for image in first.family.images:
            digest = plan.family.digests.get(image.suffix)
            if digest != image.digest:
                raise UserError(
                    f"{image.name} {plan.order.version} is not the same in all registries",
                    "release it again, or name one with --registry",
                    (
                        f"{first.source.repository}: {image.digest}",
                        f"{plan.source.repository}: {digest or 'missing'}",
                    ),
                )


def _check_before(order: Order, source: ChannelRegistry, family: Family) -> None:
    """See that the channel before holds these images.

    One that takes no such versions has to hold a pre-release of the same one: a release and its
    candidate differ, if only in what they say of their version.
    """
    if order.channel.after is None:
        return
    before = find_channel(order.definition, order.channel.after)
    last = source.head(before.name)
    held = version_or_none(last.line.version) if last is not None and last.is_over else None
    where = f"{source.repository}:{before.name}"
    if last is None or held is None:
        if last is not None and not last.is_over:
            raise UserError(
                f"{where} is between two versions",
                "wait, or `lapstrake channels --repair` where the move was interrupted",
            )
        raise _not_before(order, before, f"{where} holds nothing")
    if order.version.kind not in before.accepts:
        if held.final != order.version.final:
            raise _not_before(order, before, f"{where} holds {held}, no pre-release of it")
    elif held != order.version:
        raise _not_before(order, before, f"{where} holds {held}")
    elif differing := [i for i in family.images if last.digests.get(i.suffix) != i.digest]:
        image = differing[0]
        there = last.digests.get(image.suffix, "")
        raise UserError(
            f"{image.name} of {order.version} is {image.digest[:19]}…, "
            f"and {before.name} holds {there[:19] or 'none'}",
            f"promote {order.version} to {before.name} again, and have it tested there",
        )


def _not_before(order: Order, before: ChannelSpec, reason: str) -> UserError:
    endings = {"dev": ".devN", "rc": ".rcN", "final": ""}
    same = order.version.kind in before.accepts
    wanted = order.version if same else f"{order.version.base}{endings[before.accepts[-1]]}"
    return UserError(
        f"{order.version} can't enter {order.channel.name}: {reason}",
        f"first `lapstrake promote {wanted} --to {before.name}`",
    )


def _holds(move: Move, family: Family) -> bool:
    """Whether a channel holds just this version already."""
    return move.line.version == family.version.ours and move.digests == family.digests


def _verdicts(source: ChannelRegistry, images: Sequence[Held]) -> tuple[str, ...]:
    """What testers have said, one line for each image that somebody has tested."""
    # every verdict has a tag of its own: one list says for which images there are any
    named = {
        t.subject for n in source.names() if (t := read_tag(n)) and t.kind == verdicts.KIND.name
    }
    tested = [i for i in images if i.digest in named]
    found = verdicts.read_all(source, {i.digest for i in tested})
    return tuple(f"{i.name}: {verdicts.said(v)}" for i in tested if (v := found[i.digest]))
