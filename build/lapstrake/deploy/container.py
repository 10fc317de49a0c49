"""What Kubernetes and KServe are told of a container alike."""

from __future__ import annotations

from lapstrake.definition.models import Service
from lapstrake.deploy.model import Deployable, Json

# The smoke check `runs-locked-down` starts every image just so; see lapstrake.smoke.context.
LOCKED: Json = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}

# What a container asks for at the least; what one really needs depends on its models.
REQUESTS: Json = {"cpu": "500m", "memory": "1Gi"}

# Seconds that a service may take to come up: models may be large, and disks slow.
_STARTING, _EVERY = 600, 5


def resources(image: Deployable) -> Json:
    """Requests; a GPU can only be asked for as a limit."""
    if image.gpu:
        return {"requests": REQUESTS, "limits": {"nvidia.com/gpu": 1}}
    return {"requests": REQUESTS}


def probes(service: Service) -> Json:
    """When it has come up, when it takes requests, when it has to be started again."""
    ready = readiness(service)
    if ready is None:
        return {}
    return {
        "startupProbe": {
            **ready,
            "periodSeconds": _EVERY,
            "failureThreshold": _STARTING // _EVERY,
        },
        "readinessProbe": {**ready, "periodSeconds": 10, "timeoutSeconds": 5},
        "livenessProbe": {
            **_liveness(service, ready),
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
    }


def readiness(service: Service) -> Json | None:
    """Its health, else its first port; None where it has neither."""
    if service.health is not None:
        return {"httpGet": {"path": service.health.path, "port": service.health.port}}
    if service.ports:
        return {"tcpSocket": {"port": service.ports[0].port}}
    return None


def _liveness(service: Service, ready: Json) -> Json:
    """A service that isn't ready is alive nonetheless: it may be loading a model."""
    if service.health is None:
        return ready
    if service.protocol == "v2":
        return {"httpGet": {"path": "/v2/health/live", "port": service.health.port}}
    return {"tcpSocket": {"port": service.health.port}}
