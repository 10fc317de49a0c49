"""Which ports of an image a platform's ingress routes, and from which paths."""

from __future__ import annotations

from collections.abc import Sequence

from lapstrake.definition.check import SSH_PORT
from lapstrake.definition.models import PortSpec
from lapstrake.deploy.model import Deployable, Json, offers_ssh
from lapstrake.deploy.text import documents, heading
from lapstrake.errors import UserError


def ingress(images: Sequence[Deployable]) -> str:
    """The rules of each image: what is HTTP has a path, all else is a plain connection.

    Raises:
        UserError: an image without ports, or two of its ports at one path.
    """
    values = [_rules(i) for i in images]
    return heading(images, "Ingress rules") + documents(values)


def _rules(image: Deployable) -> Json:
    image.need_ports()
    named = list(image.port_names())
    http = [(p, n) for p, n in named if p.protocol == "http"]
    paths = _paths(image, http)
    tcp = [(p.port, n) for p, n in named if p.protocol != "http"]
    tcp += [(SSH_PORT, image.ssh_name)] if offers_ssh(image) else []
    pinned = [image.reference] if image.digest else []
    return {
        "imageNames": [*pinned, *(f"{image.repository}:{t}" for t in image.tags)],
        "type": "inference" if any(s.protocol == "v2" for s in image.services) else "tool",
        "httpRules": [{"port": p.port, "name": n, "path": paths[p.port]} for p, n in http],
        "tcpRules": [{"port": port, "name": name} for port, name in sorted(tcp)],
    }


def _paths(image: Deployable, ports: list[tuple[PortSpec, str]]) -> dict[int, str]:
    """The path of each HTTP port: its own, else `/` for the first one and `/NAME` for others."""
    first = image.first.health.port if image.first.health else None
    ordered = sorted(ports, key=lambda p: (p[0].port != first, p[0].port))
    found: dict[int, str] = {}
    owner: dict[str, int] = {}
    for number, (port, name) in enumerate(ordered):
        path = port.path or ("/" if number == 0 else f"/{name}")
        if path in owner:
            raise UserError(
                f"ports {owner[path]} and {port.port} of {image.name} would both be at {path}",
                "give one of them another `path`",
            )
        found[port.port] = path
        owner[path] = port.port
    return found
