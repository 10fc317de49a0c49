"""The ingress rules of an image's services: a host for each port that speaks HTTP or gRPC.

Hosts, not paths: a service knows nothing of a path that it is put below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from lapstrake.definition.models import PortSpec, Service

# Every name below it is this machine's own; an ingress of a cluster here answers there.
DOMAIN = "localhost"

_LONGEST_LABEL = 63


@dataclass(frozen=True)
class Rule:
    """Requests for a host go to a port; `protocol` is http or grpc."""

    host: str
    port: int
    protocol: str
    service: str


def rules(
    image: str, version: str, services: tuple[Service, ...], domain: str | None
) -> tuple[Rule, ...]:
    """The rules of an image, its main service's first port first; none where nothing speaks HTTP.

    That one has the shortest host; the others' begin with the port's name, or its number.
    """
    ordered = sorted(services, key=lambda s: (not s.main, s.name))
    ports = [(s, p) for s in ordered for p in s.ports if p.protocol in {"http", "grpc"}]
    label = _label(f"{image}-{version}")
    found = []
    for number, (service, port) in enumerate(ports):
        own = label if number == 0 else _label(f"{_named(service, port)}-{label}")
        host = f"{own}.{domain or DOMAIN}"
        found.append(Rule(host, port.port, port.protocol, service.name))
    return tuple(found)


def manifests(image: str, version: str, found: tuple[Rule, ...]) -> str:
    """The rules for Kubernetes: an Ingress for each protocol, since gRPC needs its own."""
    documents = []
    for protocol in ("http", "grpc"):
        of_it = [r for r in found if r.protocol == protocol]
        if of_it:
            documents.append(_manifest(_label(f"{image}-{version}"), protocol, of_it))
    return "---\n".join(yaml.safe_dump(d, sort_keys=False) for d in documents)


def _manifest(name: str, protocol: str, found: list[Rule]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name if protocol == "http" else _label(f"{name}-grpc")}
    if protocol == "grpc":
        metadata["annotations"] = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata,
        "spec": {"rules": [_rule(name, r) for r in found]},
    }


def _rule(name: str, rule: Rule) -> dict[str, Any]:
    backend = {"service": {"name": name, "port": {"number": rule.port}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {"host": rule.host, "http": {"paths": paths}}


def _named(service: Service, port: PortSpec) -> str:
    return port.name or f"{service.name}-{port.port}"


def _label(text: str) -> str:
    """A part of a host's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:_LONGEST_LABEL].strip("-")
