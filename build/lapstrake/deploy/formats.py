"""The formats by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lapstrake.deploy.compose import compose
from lapstrake.deploy.docker import docker
from lapstrake.deploy.helm import helm
from lapstrake.deploy.ingress import ingress
from lapstrake.deploy.kserve import kserve
from lapstrake.deploy.kubernetes import kubernetes
from lapstrake.deploy.model import Deployable

FORMATS: dict[str, Callable[[Sequence[Deployable]], str]] = {
    "kserve": kserve,
    "ingress": ingress,
    "helm": helm,
    "kubernetes": kubernetes,
    "compose": compose,
    "docker": docker,
}
