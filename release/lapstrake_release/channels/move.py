"""A move of a channel: claimed, written down, done, and marked as done.

1. A claim keeps others away (see `claim`).
2. The record is kept as the channel's last one, in the state `moving`: from here on anybody can
   tell what is to become of the channel.
3. The numbered tags are given, then the moving ones, all at once.
4. All are read back; the record is kept for good in the state `done`.

Whoever finds a record in the state `moving` whose claim is dead takes over: where a moving tag has
moved, the move is completed; where none has, it is undone, and its number is used up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.registry.client import sha256_of
from lapstrake.registry.repository import Repository
from lapstrake_release.channels import tags
from lapstrake_release.channels.claim import Claimed, claimed
from lapstrake_release.channels.nothing import give_nothing
from lapstrake_release.channels.record import Held, Kind, Line, Move
from lapstrake_release.channels.registry import ChannelRegistry


@dataclass(frozen=True)
class Wanted:
    """What a channel is to hold.

    Attributes:
        kind, origin, version, source, verdicts, needs: see `Line`; an origin of 0 is the move's
            own number.
        images: by suffix; what each `was` doesn't matter.
        seen: the digest of the channel's last record when this was decided; empty for none.
    """

    kind: Kind
    version: str
    images: tuple[Held, ...]
    seen: str
    origin: int = 0
    source: str = ""
    verdicts: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Author:
    """Who moves a channel, why, and in which run."""

    who: str
    job: str
    why: str = ""
    run: str = ""


class Mover:
    """Moves one channel of one repository."""

    def __init__(self, registry: ChannelRegistry, channel: str, author: Author) -> None:
        self._registry = registry
        self._channel = channel
        self._author = author
        self._manifests: dict[str, bytes] = {}

    def know(self, manifests: Iterable[bytes]) -> None:
        """Take manifests that needn't be asked for again."""
        self._manifests |= {sha256_of(m): m for m in manifests}

    def check_there(self, images: Sequence[Held]) -> None:
        """See that the repository has the manifests of images.

        Raises:
            UserError: one is gone.
        """
        self._registry.each(images, self._manifest)

    @property
    def repository(self) -> Repository:
        """Where."""
        return self._registry.repository

    def settled(self) -> tuple[Move | None, str]:
        """The channel's last move, once it is over: one that was interrupted is repaired.

        Returns:
            the move, and what was done about it: `completed`, `undone` or nothing.

        Raises:
            Busy: somebody is at it.
        """
        last = self._registry.head(self._channel)
        if last is None or last.is_over:
            return last, ""
        about = last.images[:1] if self._is_there(last.images[:1]) else ()
        with self._claimed(last.number, about) as claim:
            last = self._registry.head(self._channel)
            if last is None or last.is_over:
                return last, ""
            return self._repair(last, claim)

    def move(self, wanted: Wanted) -> Move:
        """Make a move.

        Raises:
            Busy: somebody else is moving the channel, or has since it was looked at.
            UserError: the registry refuses; whatever was begun is repaired by the next command.
        """
        last = self._unmoved(wanted.seen)
        number = self._next_number(last)
        with self._claimed(number, wanted.images) as claim:
            last = self._unmoved(wanted.seen)
            move = self._begin(wanted, last, number)
            try:
                self._registry.put_record(move)
                return self._do(move, claim)
            except process.Stopped:
                raise
            except UserError as error:
                half = (
                    f"{self._channel} may be between two versions: start again, "
                    "or `lapstrake channels --repair`"
                )
                raise UserError(error.message, error.hint, (*error.details, half)) from error

    def restore(self, move: Move) -> tuple[str, ...]:
        """Put back moving tags that something else has moved; which those were.

        Raises:
            Busy: somebody is moving the channel, or has since it was looked at.
        """
        if not self._strayed(move):
            return ()
        number = self._next_number(move)
        with self._claimed(number, move.images) as claim:
            self._unmoved(move.digest)
            wrong = self._strayed(move)
            self._give_all(((i, self._moving(i)) for i in wrong), claim)
        return tuple(self._moving(i) for i in wrong)

    def _claimed(
        self, number: int, images: Sequence[Held]
    ) -> contextlib.AbstractContextManager[Claimed]:
        job = self._author.job
        return claimed(self._registry, self._channel, number, job, images[:1])

    def _strayed(self, move: Move) -> list[Held]:
        now = self._registry.each(move.images, self._now)
        return [i for i, n in zip(move.images, now, strict=True) if i.digest != n]

    def _unmoved(self, seen: str) -> Move | None:
        last = self._registry.head(self._channel)
        if ("" if last is None else last.digest) != seen:
            raise UserError(
                f"{self._channel} was moved meanwhile: {_said(last)}",
                f"look with `lapstrake history {self._channel}`, and start again",
            )
        return last

    def _next_number(self, last: Move | None) -> int:
        # a number that any tag has is used up, whatever became of the records
        names = self._registry.names()
        return max(tags.highest(names, self._channel), last.number if last else 0) + 1

    def _begin(self, wanted: Wanted, last: Move | None, number: int) -> Move:
        before = last.digests if last else {}
        suffixes = {i.suffix for i in wanted.images}
        line = Line(
            number=number,
            state="moving",
            kind=wanted.kind,
            origin=wanted.origin or number,
            version=wanted.version,
            who=self._author.who,
            when=_rfc3339(self._registry.now),
            why=self._author.why,
            job=self._author.job,
            run=self._author.run,
            source=wanted.source,
            verdicts=wanted.verdicts,
            needs=wanted.needs,
        )
        return Move(
            channel=self._channel,
            line=line,
            images=tuple(sorted(replace(i, was=before.get(i.suffix, "")) for i in wanted.images)),
            gone=tuple(sorted(before.keys() - suffixes)),
            previous=last.digest if last else "",
            before=last.page if last else (),
        )

    def _do(self, move: Move, claim: Claimed) -> Move:
        """Give all tags, and mark the move as done; again where some of it was done."""
        self._give_all(((i, self._numbered(i, move.number)) for i in move.images), claim)
        claim.renew()
        self._give_all(((i, self._moving(i)) for i in move.images), claim)
        self._take_away(move.gone)
        claim.renew()
        self._registry.each(move.images, lambda i: self._check(i, move.number))
        done = move.in_state("done")
        self._registry.put_record(done)
        return done

    def _repair(self, move: Move, claim: Claimed) -> tuple[Move, str]:
        has_moved = self._has_moved(move)
        if has_moved and self._is_there(move.images):
            return self._do(move, claim), "completed"
        undone = self._undone(move)
        if has_moved:
            # it can't be completed any more: something has deleted an image of it
            self._give_all(((i, self._moving(i)) for i in undone.images), claim)
            self._take_away(sorted(move.digests.keys() - undone.digests.keys()))
        self._registry.put_record(undone)
        return undone, "undone"

    def _is_there(self, images: Sequence[Held]) -> bool:
        """Whether the repository has the manifests of all."""
        return all(self._registry.each(images, lambda i: self._registry.digest(i.digest)))

    def _has_moved(self, move: Move) -> bool:
        """Whether a moving tag holds what the move brings, and not what was there."""
        changed = [i for i in move.images if i.digest != i.was]
        now = self._registry.each(changed, self._now)
        # one that only takes images away can't be told from one that hasn't begun
        return not changed or any(i.digest == n for i, n in zip(changed, now, strict=True))

    def _undone(self, move: Move) -> Move:
        """The record of a move that has moved nothing: the channel holds what it held before."""
        held = None
        if move.previous:
            held = self._registry.read(move.previous)
            if held is None:
                raise UserError(
                    f"{self.repository}@{move.previous} is gone: it says what {self._channel} held",
                    f"delete {self.repository}:{tags.head(self._channel)}, and promote anew",
                )
        line = replace(
            move.line,
            state="undone",
            origin=held.line.origin if held else move.number,
            version=held.line.version if held else "",
            wanted=move.line.version,
        )
        images = held.images if held else ()
        return replace(move, line=line, images=images, gone=(), read="")

    def _take_away(self, suffixes: Iterable[str]) -> None:
        """Let the tags of images that a version doesn't have name nothing any more."""
        for suffix in suffixes:
            tag = tags.moving(self._channel, suffix)
            if self._registry.digest(tag):
                give_nothing(self._registry, tag, self._author.job)

    def _give_all(self, places: Iterable[tuple[Held, str]], claim: Claimed) -> None:
        def give(place: tuple[Held, str]) -> None:
            image, tag = place
            claim.check()
            self._registry.put_manifest(tag, self._manifest(image), image.media_type)

        self._registry.each(list(places), give)

    def _manifest(self, image: Held) -> bytes:
        data = self._manifests.get(image.digest) or self._registry.holder(image.digest)
        if data is None:
            raise _gone(self.repository, image)
        return self._manifests.setdefault(image.digest, data)

    def _check(self, image: Held, number: int) -> None:
        for tag in (self._moving(image), self._numbered(image, number)):
            now = self._registry.digest(tag)
            if now != image.digest:
                raise UserError(
                    f"{self.repository}:{tag} is {now or 'missing'} after it was given, "
                    f"not {image.digest}",
                    "does something else push to it? start again",
                )

    def _now(self, image: Held) -> str:
        return self._registry.digest(self._moving(image))

    def _moving(self, image: Held) -> str:
        return tags.moving(self._channel, image.suffix)

    def _numbered(self, image: Held, number: int) -> str:
        return tags.numbered(self._channel, number, image.suffix)


def _gone(repository: Repository, image: Held) -> UserError:
    return UserError(
        f"{repository} has no {image.digest} any more, which is {image.name}",
        "something has deleted it; choose another version or move",
    )


def _said(last: Move | None) -> str:
    """A channel's last move in a few words."""
    if last is None:
        return "it is empty"
    line = last.line
    verb = f"holds {line.version or 'nothing'}" if last.is_over else f"goes to {line.version}"
    return f"it {verb} by move {line.number} of {line.who}"


def _rfc3339(seconds: float) -> str:
    when = datetime.fromtimestamp(seconds, UTC)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
