"""One mover at a time, in registries that can't compare and swap.

Whoever wants to make a channel's next move writes a tag that says so, and only then looks whose
such tags there are: of two who do this at once, at least one sees the other. The smaller job waits
for the other to withdraw; the other one does, unless it had seen nobody, and is at work already.
So one of them makes the move, and never both.

Claims are about one number of one channel: those of moves that are over mean nothing, and so none
has to be removed. Each ends by itself after a minute, or where its process is known to be dead.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake_release.beside.artifact import INDEX
from lapstrake_release.channels import tags
from lapstrake_release.channels.record import Held
from lapstrake_release.channels.registry import ChannelRegistry

TYPE = "application/vnd.lapstrake.channel.claim.v1+json"

# Seconds that a claim counts after it was last renewed, by the registry's clock.
LEASE = 60.0

# Seconds that the smaller job gives the other to withdraw, and between two looks.
_PATIENCE = 5.0
_PAUSE = 0.1

# The claims of this process that stand: one that couldn't be withdrawn may still be in a registry.
_AT_WORK: set[str] = set()

_KEY = "vnd.lapstrake.channel.claim"
_SELF = Path("/proc/self")


class Busy(UserError):
    """Somebody else is moving the channel."""


@dataclass(frozen=True)
class Claim:
    """What a claim's tag holds.

    Attributes:
        machine: names the machine since its last boot, and the container; empty where unknown.
        pid, began: the process, and when it began in the machine's ticks.
        host, user: for people.
        until: when it ends, in seconds since 1970.
    """

    channel: str
    number: int
    job: str
    state: Literal["living", "withdrawn"]
    machine: str
    pid: int
    began: int
    host: str
    user: str
    until: float

    @property
    def tag(self) -> str:
        """The tag that holds it."""
        return tags.claim(self.channel, self.number, self.job)

    def is_living(self, now: float) -> bool:
        """Whether its job is at work, as far as can be known."""
        if self.state != "living" or now >= self.until:
            return False
        if not self.machine or self.machine != _machine():
            return True
        if self.pid == os.getpid():
            return self.tag in _AT_WORK
        return _began(self.pid) == self.began

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (process {self.pid}, job {self.job})"


class Claimed:
    """A claim that stands: its job alone may make the move, as long as it renews it."""

    def __init__(self, registry: ChannelRegistry, claim: Claim, about: Sequence[Held]) -> None:
        self._registry = registry
        self._claim = claim
        self._about = about

    @property
    def job(self) -> str:
        """Whose it is."""
        return self._claim.job

    def check(self) -> None:
        """See that it counts still.

        Raises:
            UserError: this process was stopped for long, or the registry was slow: somebody else
                may be at work by now.
        """
        if self._registry.now >= self._claim.until:
            raise UserError(
                f"moving {self._claim.channel} took too long", "start again: it goes on from there"
            )

    def renew(self) -> None:
        """Have it count longer, where it has counted for a while; see `check`."""
        self.check()
        if self._claim.until - self._registry.now < LEASE / 2:
            self._claim = replace(self._claim, until=self._registry.now + LEASE)
            _write(self._registry, self._claim, self._about)


@contextlib.contextmanager
def claimed(
    mover: ChannelRegistry, channel: str, number: int, job: str, about: Sequence[Held] = ()
) -> Iterator[Claimed]:
    """Be the one who makes a move, as long as the context lasts.

    No job claims the same move twice: a claim that was withdrawn stays so.

    Args:
        mover: a client of the repository.
        channel: which.
        number: of the move.
        job: who claims it.
        about: an image of the move: some registries take no index that names nothing.

    Raises:
        Busy: somebody else is at it.
        UserError: the registry refuses, or can't be reached.
    """
    # a client of its own: the one that makes the move may have given up when this is withdrawn
    with mover.twin() as registry:
        # the first answer tells what time it is there
        registry.digest(tags.head(channel))
        claim = _ours(channel, number, job, registry.now + LEASE)
        _AT_WORK.add(claim.tag)
        try:
            _write(registry, claim, about)
            _wait_for_others(registry, claim)
            yield Claimed(registry, claim, about)
        finally:
            _AT_WORK.discard(claim.tag)
            # where it can't be withdrawn, it ends by itself
            with contextlib.suppress(UserError):
                _write(registry, replace(claim, state="withdrawn"), about)


def new_job() -> str:
    """An id for a run."""
    return secrets.token_hex(4)


def living(
    registry: ChannelRegistry, channel: str, number: int, without: str = ""
) -> tuple[Claim, ...]:
    """The claims to a move that count now, but that of the job `without`; by job."""
    names = [
        n
        for n in tags.claims(registry.names(), channel, number)
        if n != tags.claim(channel, number, without)
    ]
    found = [c for n in names if (c := _read(registry, n)) and c.is_living(registry.now)]
    return tuple(sorted(found, key=lambda c: c.job))


def _wait_for_others(registry: ChannelRegistry, own: Claim) -> None:
    """Come back when nobody else claims the move."""
    end = time.monotonic() + _PATIENCE
    while others := living(registry, own.channel, own.number, own.job):
        if others[0].job < own.job or time.monotonic() > end:
            raise Busy(
                f"{own.channel} is being moved by {others[0]}",
                f"start again when it is done; if it is dead, in {_left(registry, others[0])} s",
            )
        process.check_stopped()
        time.sleep(_PAUSE)


def _left(registry: ChannelRegistry, claim: Claim) -> int:
    return max(1, round(claim.until - registry.now))


def _write(registry: ChannelRegistry, claim: Claim, about: Sequence[Held] = ()) -> None:
    registry.put_index(claim.tag, _encode(claim, about))


def _read(registry: ChannelRegistry, name: str) -> Claim | None:
    """A claim; None where it is gone, or isn't one of ours."""
    data = registry.holder(name)
    try:
        return None if data is None else Claim(**json.loads(json.loads(data)["annotations"][_KEY]))
    except (ValueError, LookupError, TypeError):
        return None


def _encode(claim: Claim, about: Sequence[Held]) -> bytes:
    index: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "artifactType": TYPE,
        "manifests": [
            {"mediaType": i.media_type, "digest": i.digest, "size": i.size} for i in about
        ],
        "annotations": {_KEY: json.dumps(asdict(claim), sort_keys=True)},
    }
    return json.dumps(index, sort_keys=True, separators=(",", ":")).encode()


def _ours(channel: str, number: int, job: str, until: float) -> Claim:
    pid = os.getpid()
    host, user = socket.gethostname(), _user()
    return Claim(
        channel, number, job, "living", _machine(), pid, _began(pid) or 0, host, user, until
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _machine() -> str:
    """What is the same for two processes only if one can see the other; empty where unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {(_SELF / 'ns/pid').readlink()}"
    except OSError:
        return ""


def _began(pid: int) -> int | None:
    """When a process of this machine began; None where there is none, or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # the name, in brackets, may hold anything
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])
