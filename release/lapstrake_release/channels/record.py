"""A move as a value, and as what the registry keeps of it.

A record is an OCI index. It names the images that the channel holds by the move, so no registry
collects them as garbage as long as the record is there, and no blob has to be stored for it: what
there is to say is in the annotations, which any registry client shows.

Every record has a line for each move before it on its page of fifty. The whole history is so the
last record, and that of every fiftieth move.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

from lapstrake.errors import UserError
from lapstrake.registry.client import MANIFEST, is_digest, sha256_of
from lapstrake_release.beside.artifact import INDEX

TYPE = "application/vnd.lapstrake.channel.move.v1+json"
PAGE = 50

State = Literal["moving", "done", "undone"]
Kind = Literal["promote", "rollback"]
Json = dict[str, Any]

_OWN = "vnd.lapstrake.channel."
_CREATED = "org.opencontainers.image.created"
_VERSION = "org.opencontainers.image.version"
_TEXTS = ("version", "who", "when", "why", "job", "run", "source", "wanted")
_LINES = "before"


@dataclass(frozen=True, order=True)
class Held:
    """One image in a channel.

    Attributes:
        suffix: what its tags end with: empty, or `-slim`.
        name: what the family calls it.
        digest: `sha256:…` of its manifest, of `size` bytes and `media_type`.
        was: the digest that the channel had for it before the move; empty where it had none.
    """

    suffix: str
    name: str
    digest: str
    size: int
    media_type: str = MANIFEST
    was: str = ""


@dataclass(frozen=True)
class Line:
    """What the history says of one move.

    Attributes:
        number: of the move; the first is 1.
        state: `moving` until it is finished; `undone` where it was interrupted before any of the
            channel's tags had moved, so that the channel holds what it held before.
        kind: what moved it; `origin` is the move whose images these are: its own number, or for a
            rollback that of the move that is repeated.
        version: what the channel holds by it; empty where it holds nothing.
        who: who moved it, `why` what they say about it, `when` in UTC (RFC 3339).
        job: the id of the run that did it; `run` its page in a CI system, or empty.
        source: the repository that the images were taken from; empty where it is this one.
        verdicts: what testers had said of the images, one line an image.
        needs: what was checked before.
        wanted: for one that was undone, the version that it was to bring.
    """

    number: int
    state: State
    kind: Kind
    origin: int
    version: str
    who: str
    when: str
    why: str = ""
    job: str = ""
    run: str = ""
    source: str = ""
    verdicts: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    wanted: str = ""

    def to_json(self) -> Json:
        """As a history has it."""
        value = {k: v for k, v in vars(self).items() if v not in ("", ())}
        return value | {k: list(v) for k, v in value.items() if isinstance(v, tuple)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        state, kind = value["state"], value["kind"]
        if state not in get_args(State) or kind not in get_args(Kind):
            raise ValueError(state)
        return cls(
            number=int(value["number"]),
            state=state,
            kind=kind,
            origin=int(value["origin"]),
            verdicts=tuple(map(str, value.get("verdicts", ()))),
            needs=tuple(map(str, value.get("needs", ()))),
            **{k: str(value.get(k, "")) for k in _TEXTS},
        )


@dataclass(frozen=True)
class Move:
    """One move with all that its record says.

    Attributes:
        channel: whose it is.
        line: what the history says of it.
        images: what the channel holds by it, sorted by suffix.
        gone: the suffixes that the channel had before and that this version has no image for.
        previous: the digest of the record before; empty for the first.
        before: a line for each move before it on its page, the first of them first.
        read: the digest that it was read from; empty for one that is made here.
    """

    channel: str
    line: Line
    images: tuple[Held, ...]
    gone: tuple[str, ...] = ()
    previous: str = ""
    before: tuple[Line, ...] = ()
    read: str = field(default="", compare=False)

    @property
    def digest(self) -> str:
        """`sha256:…` of its record."""
        return self.read or sha256_of(encode(self))

    @property
    def number(self) -> int:
        """Of the move."""
        return self.line.number

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.line.state != "moving"

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each image, by suffix."""
        return {i.suffix: i.digest for i in self.images}

    def in_state(self, state: State) -> Move:
        """The same one, further on."""
        return replace(self, line=replace(self.line, state=state), read="")

    @property
    def page(self) -> tuple[Line, ...]:
        """The lines that the record of the next move has; what was checked is left to this one."""
        short = replace(self.line, verdicts=(), needs=())
        return () if self.number % PAGE == 0 else (*self.before, short)


def encode(move: Move) -> bytes:
    """The index that is pushed; the same move gives the same bytes."""
    line = move.line
    own = {
        "name": move.channel,
        "number": str(line.number),
        "state": line.state,
        "kind": line.kind,
        "origin": str(line.origin),
        "who": line.who,
        "why": line.why,
        "job": line.job,
        "run": line.run,
        "source": line.source,
        "wanted": line.wanted,
        "previous": move.previous,
        "gone": json.dumps(move.gone),
        "verdicts": json.dumps(line.verdicts, ensure_ascii=False),
        "needs": json.dumps(line.needs),
        _LINES: json.dumps([b.to_json() for b in move.before], ensure_ascii=False),
    }
    said = {_OWN + k: v for k, v in own.items() if v not in ("", "[]")}
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "artifactType": TYPE,
        "manifests": [_descriptor(i) for i in move.images],
        "annotations": said | {_CREATED: line.when, _VERSION: line.version},
    }
    return json.dumps(index, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(data: bytes, place: str) -> Move:
    """Read a record.

    Args:
        data: what the registry has.
        place: where, for the error.

    Raises:
        UserError: it is none, or that of a newer version of Lapstrake.
    """
    try:
        index = json.loads(data)
        if index.get("artifactType") != TYPE:
            raise ValueError(index.get("artifactType"))
        said = index["annotations"]
        own = {k.removeprefix(_OWN): v for k, v in said.items() if k.startswith(_OWN)}
        lists = {k: json.loads(own.get(k, "[]")) for k in ("gone", "verdicts", "needs", _LINES)}
        facts = {"version": said[_VERSION], "when": said[_CREATED], **own, **lists}
        return Move(
            channel=str(own["name"]),
            line=Line.from_json(facts),
            images=tuple(sorted(_held(d) for d in index["manifests"])),
            gone=tuple(map(str, lists["gone"])),
            previous=str(own.get("previous", "")),
            before=tuple(Line.from_json(b) for b in lists[_LINES]),
            read=sha256_of(data),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        hint = "something else was pushed there, or a newer lapstrake wrote it"
        raise UserError(f"{place} is no record of a channel's move", hint) from None


def _descriptor(image: Held) -> Json:
    said = {"suffix": image.suffix, "image": image.name, "was": image.was}
    return {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": image.size,
        "annotations": {_OWN + k: v for k, v in said.items() if v},
    }


def _held(descriptor: Json) -> Held:
    said = descriptor.get("annotations") or {}
    if not is_digest(descriptor["digest"]):
        raise ValueError(descriptor["digest"])
    return Held(
        suffix=str(said.get(f"{_OWN}suffix", "")),
        name=str(said[f"{_OWN}image"]),
        digest=descriptor["digest"],
        size=int(descriptor["size"]),
        media_type=str(descriptor["mediaType"]),
        was=str(said.get(f"{_OWN}was", "")),
    )
