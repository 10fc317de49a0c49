"""A file for Docker Compose (the Compose specification)."""

from __future__ import annotations

from collections.abc import Sequence

from lapstrake.definition.check import SSH_PORT
from lapstrake.definition.models import Service
from lapstrake.deploy.docker import SSH_OUTSIDE
from lapstrake.deploy.model import Deployable, Json, offers_ssh
from lapstrake.deploy.text import documents, heading
from lapstrake.guest.system import FETCH

# The image's own Python: what starts its services needs one, curl may be missing.
_GET = "import sys, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(sys.argv[1])"
_CONNECT = "import sys, socket as s; s.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"


def compose(images: Sequence[Deployable]) -> str:
    """One file with a service for each image, reachable from this machine alone.

    Raises:
        UserError: an image that runs nothing.
    """
    services: Json = {}
    taken: set[int] = set()
    for image in images:
        services |= _services(image, taken)
    value: Json = {"services": services}
    if volumes := [_volume(i, p) for i in images for p in i.about.volumes]:
        value["volumes"] = {name: {} for name in volumes}
    return heading(images, "A Compose file") + documents([value])


def _services(image: Deployable, taken: set[int]) -> Json:
    """The image's service, after the one that fetches its data where there are any."""
    found: Json = {"image": image.reference, "restart": "unless-stopped"}
    mounts = [f"{_volume(image, p)}:{_plain(p)}" for p in image.about.volumes]
    if ports := _published(image, taken):
        found["ports"] = ports
    if offers_ssh(image):
        found["environment"] = {"PUBLIC_KEY": "${PUBLIC_KEY:-}"}
    if mounts:
        found["volumes"] = mounts
    if check := _health(image.first):
        found["healthcheck"] = check
    if image.gpu:
        device = {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
        found["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    if not image.about.data:
        return {image.name: found}
    name = f"{image.name}-fetch"
    found["depends_on"] = {name: {"condition": "service_completed_successfully"}}
    return {
        name: {"image": image.reference, "command": [FETCH], "volumes": mounts},
        image.name: found,
    }


def _published(image: Deployable, taken: set[int]) -> list[str]:
    """Each port at its own number on loopback, or at any where another image has that one."""
    pairs = [(p.port, p.port) for p in image.ports]
    pairs += [(SSH_OUTSIDE, SSH_PORT)] if offers_ssh(image) else []
    found = []
    for outside, inside in pairs:
        found.append(f"127.0.0.1:{'' if outside in taken else outside}:{inside}")
        taken.add(outside)
    return found


def _health(service: Service) -> Json:
    if service.health is not None:
        url = f"http://127.0.0.1:{service.health.port}{service.health.path}"
        test = ["CMD", "/usr/bin/python3", "-IS", "-c", _GET, _plain(url)]
    elif service.ports:
        test = ["CMD", "/usr/bin/python3", "-IS", "-c", _CONNECT, str(service.ports[0].port)]
    else:
        return {}
    return {
        "test": test,
        "interval": "10s",
        "timeout": "10s",
        "retries": 6,
        "start_period": "10m",
    }


def _volume(image: Deployable, path: str) -> str:
    return f"{image.name}-{image.volume_name(path)}"


def _plain(text: str) -> str:
    """Text in which Compose replaces no variables."""
    return text.replace("$", "$$")
