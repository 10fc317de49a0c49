"""A ClusterServingRuntime of KServe."""

from __future__ import annotations

from collections.abc import Sequence

from lapstrake.definition.deploying import ServesSpec
from lapstrake.definition.models import Service
from lapstrake.deploy.container import LOCKED, probes, resources
from lapstrake.deploy.model import GROUP, MODELS, USER, Deployable, Json
from lapstrake.deploy.text import documents, heading, labels
from lapstrake.errors import UserError


def kserve(images: Sequence[Deployable]) -> str:
    """One ClusterServingRuntime for each image.

    Raises:
        UserError: KServe could do nothing with one of them.
    """
    values = [_runtime(i) for i in images]
    return heading(images, "KServe's ClusterServingRuntime") + documents(values)


def serves_v2(image: Deployable) -> bool:
    """Whether KServe can do something with it."""
    service = image.main
    return service is not None and service.protocol == "v2" and bool(image.about.serves)


def _runtime(image: Deployable) -> Json:
    service = _service(image)
    if not image.about.serves:
        raise UserError(
            f"{image.name} serves no model format that KServe could choose it for",
            "name one: `serves: [{format: sklearn}]`",
        )
    pod: Json = {
        "supportedModelFormats": [_format(f) for f in image.about.serves],
        "protocolVersions": ["v2"],
        "containers": [_container(image, service)],
        "volumes": [{"name": image.volume_name(p), "emptyDir": {}} for p in _own(image)],
    }
    if annotations := _metrics(service):
        pod = {"annotations": annotations, **pod}
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": image.object_name, "labels": labels(image)},
        "spec": pod,
    }


def _service(image: Deployable) -> Service:
    service = image.main
    if image.first and (service is None or service.protocol != "v2"):
        raise UserError(
            f"{image.name} has no main service that speaks the V2 protocol, as KServe does",
            "give one `main: true` and `protocol: v2`",
        )
    assert service is not None  # noqa: S101  # `first` raises where there is no service
    return service


def _container(image: Deployable, service: Service) -> Json:
    port = service.health.port if service.health else image.need_ports()[0].port
    found: Json = {
        "name": "kserve-container",
        "image": image.reference,
        # one port: Knative takes no more
        "ports": [{"containerPort": port, "protocol": "TCP"}],
        "env": [{"name": k, "value": v} for k, v in sorted(_env(image).items())],
        "resources": resources(image),
        **{k: v for k, v in probes(service).items() if k != "startupProbe"},
        # the image has no user of its own, so one has to be named; any does
        "securityContext": {**LOCKED, "runAsUser": USER, "runAsGroup": GROUP},
        "volumeMounts": [{"name": image.volume_name(p), "mountPath": p} for p in _own(image)],
    }
    if not found["env"]:
        del found["env"]
    return found


def _own(image: Deployable) -> list[str]:
    """What has to be writable; KServe itself mounts the model."""
    return [p for p in image.writable if p != MODELS]


def _env(image: Deployable) -> dict[str, str]:
    """The variables in which all of its model formats agree."""
    first, *others = (f.env for f in image.about.serves)
    return {k: v for k, v in first.items() if all(o.get(k) == v for o in others)}


def _format(spec: ServesSpec) -> Json:
    found: Json = {"name": spec.format}
    if spec.version is not None:
        found["version"] = spec.version
    if spec.auto:
        found |= {"autoSelect": True, "priority": 1}
    return found


def _metrics(service: Service) -> Json:
    """Where KServe's Prometheus finds numbers."""
    port = next((p.port for p in service.ports if p.name == "metrics"), None)
    if port is None:
        return {}
    return {"prometheus.kserve.io/port": str(port), "prometheus.kserve.io/path": "/metrics"}
