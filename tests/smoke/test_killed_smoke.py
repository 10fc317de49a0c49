"""^C and kill -9 at some moments of a `smoke`: no container is left once the next one has run."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from image_maker import Maker, service

from lapstrake.smoke.engine import LABEL, open_docker
from lapstrake.smoke.owner import remove_abandoned
from support.ended import BOTH_WAYS, Command, moments

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.network, pytest.mark.slow]


def containers_of(client: DockerClient, pids: Iterable[int]) -> list[Container]:
    """What these processes made, running or not."""
    found: list[Container] = []
    for pid in pids:
        ours = {"label": f"{LABEL}={pid}"}
        found += client.containers.list(all=True, filters=ours, ignore_removed=True)
    return found


def volumes_of(containers: Iterable[Container]) -> set[str]:
    mounts = [m for c in containers for m in c.attrs["Mounts"]]
    return {m["Name"] for m in mounts if m["Type"] == "volume"}


def names_of(client: DockerClient, family: str) -> list[str]:
    """All names of the family's images in the engine; those that they were pulled by, too."""
    attrs = client.api.images()  # `images.list` asks for each, which may be gone by then
    names = [n for a in attrs for n in (*(a["RepoTags"] or ()), *(a["RepoDigests"] or ()))]
    return [n for n in names if f"/{family}/" in n]


def the_command(maker: Maker, *more: str) -> tuple[Command, str]:
    """`smoke` of an image with a web server, in a folder of its own; and its family's name."""
    folder = maker.folder
    dist = maker.dist(maker.image([service()]))
    family = json.loads((dist / "build.json").read_bytes())["family"]
    (folder / "lapstrake.yaml").write_text(f"name: {family}\n")
    (folder / "tmp").mkdir()
    own = {"TMPDIR": str(folder / "tmp"), "LAPSTRAKE_CACHE": str(folder / "cache")}
    return Command(("smoke", *more), folder, {**os.environ, **own}), family


@BOTH_WAYS
def test_a_smoke_ended_at_any_moment(maker: Maker, number: signal.Signals) -> None:
    command, family = the_command(maker, "--remove")
    client = open_docker()
    lasts = command.run()
    assert names_of(client, family) == []
    pids, seen, volumes = [], 0, set[str]()
    for _, seconds in moments(lasts):
        report(maker).unlink(missing_ok=True)
        pids.append(command.end_after(seconds, number))
        left = containers_of(client, pids)
        seen += len(left)
        volumes |= volumes_of(left)
        if number == signal.SIGINT:
            assert left == []
            assert command.leftovers == []
    # else there was nothing to remove
    assert number == signal.SIGINT or seen > 0
    command.run()
    assert containers_of(client, pids) == []
    assert volumes.isdisjoint(v.name for v in client.volumes.list())
    assert names_of(client, family) == []
    assert command.leftovers == []
    assert list((maker.folder / "cache/tmp").iterdir()) == []
    assert json.loads(report(maker).read_bytes())["images"]


def report(maker: Maker) -> Path:
    return maker.folder / "dist/smoke.json"


def test_what_a_living_command_uses_stays(maker: Maker) -> None:
    command, _ = the_command(maker, "--remove")
    client = open_docker()
    with command.begin() as first:
        while not (mine := containers_of(client, [first.pid])):
            assert first.poll() is None
        assert remove_abandoned(client) == 0
        assert mine[0].id in {c.id for c in containers_of(client, [first.pid])}
        said = first.communicate(timeout=200)[1]
    assert first.returncode == 0, said
