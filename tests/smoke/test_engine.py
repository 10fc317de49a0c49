"""Images that several commands use at once, in a real engine."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path

import docker
import pytest
from image_maker import Maker, service

from lapstrake.dist import Build, read_build
from lapstrake.errors import UserError
from lapstrake.smoke.engine import Engine, open_docker

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.network]


def built_of_its_own(maker: Maker) -> tuple[Path, Build]:
    """An image whose bytes no other test has: what happens to it here happens to no other."""
    env = {"ONLY_HERE": secrets.token_hex(6)}
    sleeper = service(command=["sleep", "600"], ports=[], health=None, env=env)
    dist = maker.dist(maker.image([sleeper]))
    return dist, read_build(dist)


def test_an_image_in_use_is_not_removed_by_another_command(maker: Maker) -> None:
    dist, built = built_of_its_own(maker)
    image = built.images[0]
    name = f"localhost/{built.family}/{image.name}:{image.tags[0]}"
    with Engine() as engine, Engine() as other, closing(open_docker()) as client:
        for each in (other, engine):
            with each.source(dist, built) as source:
                image_id = source.load(image)
        other.close(images=True)
        assert client.images.get(name).id == image_id
        assert engine.run(image_id, ["echo", "here"]) == (0, "here\n")
        engine.close(images=True)
        with pytest.raises(docker.errors.ImageNotFound):
            client.images.get(image_id)


def test_an_image_that_is_removed_while_it_is_loaded_is_loaded_again(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    dist, built = built_of_its_own(maker)
    hold, removed = Engine.hold, []

    def late(engine: Engine, image_id: str) -> None:
        if len(removed) < 2:
            removed.append(image_id)
            engine.client.images.remove(image_id, force=True)
        hold(engine, image_id)

    monkeypatch.setattr(Engine, "hold", late)
    with Engine() as engine, engine.source(dist, built) as source:
        image_id = source.load(built.images[0])
        assert removed == [image_id] * 2
        assert engine.run(image_id, ["echo", "here"]) == (0, "here\n")
        removed.clear()
        monkeypatch.setattr("lapstrake.smoke.engine._LOADS", 2)
        with pytest.raises(UserError, match="something removes base from the engine"):
            source.load(built.images[0])
        engine.close(images=True)
