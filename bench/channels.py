"""Channels of a family of twenty images: moves within one registry, and a long history."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.figures import OWN, Figure, Goal
from bench.many import write_many
from bench.registry import serve
from bench.setting import Setting, lapstrake, median, say
from lapstrake.definition.load import load
from lapstrake.registry.client import MANIFEST, sha256_of
from lapstrake.registry.repository import Repository
from lapstrake.version import Version
from lapstrake_release.channels import tags
from lapstrake_release.channels.family import read_family
from lapstrake_release.channels.record import Held, Line, Move, encode
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.channels.settings import suffix_of

IMAGES, MOVES = 20, 1000

# As many layers as an image of the family has, most of them shared.
_LAYERS, _OWN_LAYERS = 30, 3
_VERSIONS = ("1.0.0.dev1", "1.0.0.dev2")


def measure_channels(setting: Setting) -> list[Figure]:
    """Seconds of whole processes.

    Raises:
        UserError: a command fails, or the registry doesn't start.
    """
    work = setting.work / "channels"
    with serve(work / "registry") as registry:
        family = _Family(work / "repository", registry.host)
        for version in _VERSIONS:
            family.publish(version)
        say(f"channels: moves of {IMAGES} images")
        times = setting.times(7)
        promote = family.promoting()
        # so that there is one more to go back to than is gone back
        promote()
        promoted = median(times, promote)
        rolled = median(times, lambda: family.run("rollback", "testing", "--why", "bench"))
        say(f"channels: a history of {MOVES} moves")
        family.write_moves("staging")
        history = median(times, lambda: family.run("history", "staging"))
        shown = median(times, lambda: family.run("channels"))
    title = f"of {IMAGES} images, no blob sent"
    return [
        Figure(f"promote {title}", "s", {OWN: promoted}, (Goal(2),)),
        Figure(f"rollback {title}", "s", {OWN: rolled}, (Goal(2),)),
        Figure(f"history of {MOVES} moves", "s", {OWN: history}, (Goal(1),)),
        Figure(f"channels of {IMAGES} images", "s", {OWN: shown}),
    ]


@dataclass(frozen=True)
class _Part:
    digest: str
    size: int


class _Family:
    """A definition of twenty images that are released to a registry."""

    def __init__(self, root: Path, host: str) -> None:
        # three of them are what the others stand on
        write_many(root, IMAGES - 3)
        path = root / "lapstrake.yaml"
        path.write_text(f"{path.read_text()}release: {{registries: ['{host}/bench']}}\n")
        self._root = root
        self._definition = load(root)
        self._repository = Repository(host, "bench/many")

    def run(self, *words: str) -> None:
        lapstrake(*words, repository=self._root)

    def promoting(self) -> Callable[[], None]:
        """Now the one version, now the other: each call is a move."""
        versions = itertools.cycle(_VERSIONS)
        return lambda: self.run("promote", next(versions), "--to", "testing")

    def publish(self, version: str) -> None:
        """Have all images of a version in the registry."""
        with ChannelRegistry(self._repository) as client:
            for name in self._definition.images:
                parts = [self._blob(client, f"{n}") for n in range(_LAYERS - _OWN_LAYERS)]
                parts += [self._blob(client, f"{version} {name} {n}") for n in range(_OWN_LAYERS)]
                tag = f"{version}{suffix_of(self._definition, name)}"
                client.put_manifest(tag, self._manifest(client, version, name, parts))

    def write_moves(self, channel: str) -> None:
        """Have the records that so many moves leave."""
        with ChannelRegistry(self._repository) as client:
            images = read_family(client, self._definition, Version.parse(_VERSIONS[0])).images
            moves = _moves(channel, images)
            client.each(
                moves, lambda m: client.put_index(tags.record(channel, m.number), encode(m))
            )
            client.put_record(moves[-1])

    def _manifest(
        self, client: ChannelRegistry, version: str, name: str, parts: list[_Part]
    ) -> bytes:
        config = self._blob(client, f"config {version} {name}")
        kind = "application/vnd.oci.image.layer.v1.tar+gzip"
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor(kind, p) for p in parts],
        }
        return json.dumps(manifest, separators=(",", ":")).encode()

    def _blob(self, client: ChannelRegistry, text: str) -> _Part:
        data = hashlib.sha256(text.encode()).digest()
        client.upload(sha256_of(data), data)
        return _Part(sha256_of(data), len(data))


def _descriptor(kind: str, part: _Part) -> dict[str, object]:
    return {"mediaType": kind, "digest": part.digest, "size": part.size}


def _moves(channel: str, images: tuple[Held, ...]) -> list[Move]:
    found: list[Move] = []
    for number in range(1, MOVES + 1):
        version, when = f"1.{number}.0.rc1", f"2026-01-01T00:00:{number % 60:02}Z"
        why = f"what was found wrong in number {number - 1} is mended in this one"
        last = found[-1] if found else None
        found.append(
            Move(
                channel=channel,
                line=Line(number, "done", "promote", number, version, "bench", when, why),
                images=images,
                previous=last.digest if last else "",
                before=last.page if last else (),
            )
        )
    return found
