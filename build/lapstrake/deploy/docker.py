"""Lines that run an image with Docker, or Podman."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from lapstrake.definition.check import SSH_PORT
from lapstrake.deploy.model import Deployable, offers_ssh
from lapstrake.guest.system import FETCH

# Where SSH is found: 22 is this machine's own.
SSH_OUTSIDE = 2222


def docker(images: Sequence[Deployable]) -> str:
    """A line for each image, reachable from this machine alone; first one that fetches its data.

    Raises:
        UserError: an image that runs nothing.
    """
    return "".join(f"{shlex.join(words)}\n" for image in images for words in _lines(image))


def _lines(image: Deployable) -> Iterator[list[str]]:
    mounts = [
        word
        for path in image.about.volumes
        for word in ("-v", f"{image.object_name}-{image.volume_name(path)}:{path}")
    ]
    if image.first and image.about.data:
        yield ["docker", "run", "--rm", *mounts, image.reference, FETCH]
    yield ["docker", "run", "-d", "--name", image.object_name, *_options(image, mounts)]


def _options(image: Deployable, mounts: list[str]) -> list[str]:
    ports = [f"127.0.0.1:{p.port}:{p.port}" for p in image.ports]
    options = [word for port in ports for word in ("-p", port)]
    if offers_ssh(image):
        # without a value: what the shell has, if it has one
        options += ["-p", f"127.0.0.1:{SSH_OUTSIDE}:{SSH_PORT}", "-e", "PUBLIC_KEY"]
    gpus = ["--gpus", "all"] if image.gpu else []
    return [*options, *gpus, *mounts, image.reference]
