"""A Deployment of Kubernetes, with its Service and its volumes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lapstrake.definition.check import SSH_PORT
from lapstrake.deploy.container import LOCKED, probes, resources
from lapstrake.deploy.model import GROUP, SCRATCH, USER, Deployable, Json, offers_ssh
from lapstrake.deploy.text import documents, heading, labels
from lapstrake.guest.system import FETCH

STORAGE = "10Gi"


def kubernetes(images: Sequence[Deployable], storage: str = STORAGE) -> str:
    """A claim for each volume, a Deployment, and a Service where there is a port, for each image.

    Args:
        images: which.
        storage: what each volume may hold, as Kubernetes writes a quantity.

    Raises:
        UserError: an image that runs nothing.
    """
    values = [v for i in images for v in _objects(i, storage)]
    return heading(images, "Kubernetes' Deployment") + documents(values)


def _objects(image: Deployable, storage: str) -> Iterator[Json]:
    for path in image.about.volumes:
        yield _claim(image, path, storage)
    yield _deployment(image)
    if ports := _ports(image):
        yield _service(image, ports)


def _claim(image: Deployable, path: str, storage: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": _claim_name(image, path), "labels": labels(image)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": storage}},
        },
    }


def _deployment(image: Deployable) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": image.object_name, "labels": labels(image)},
        "spec": {
            "replicas": 1,
            # a volume that one machine has at a time can't be handed over while both run
            "strategy": {"type": "Recreate" if image.about.volumes else "RollingUpdate"},
            "selector": {"matchLabels": _selector(image)},
            "template": {"metadata": {"labels": labels(image)}, "spec": _pod(image)},
        },
    }


def _pod(image: Deployable) -> Json:
    spec: Json = {"automountServiceAccountToken": False, "enableServiceLinks": False}
    if image.alone:
        spec["securityContext"] = {
            "runAsUser": USER,
            "runAsGroup": GROUP,
            "fsGroup": GROUP,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    if image.about.data:
        spec["initContainers"] = [_container(image, "fetch") | {"args": [FETCH]}]
    spec["containers"] = [_container(image, re.sub("[_.]", "-", image.name)) | _run(image)]
    spec["volumes"] = [_volume(image, path) for path in image.writable]
    return spec


def _container(image: Deployable, name: str) -> Json:
    """What both containers of a pod have."""
    found: Json = {
        "name": name[:63].strip("-"),
        "image": image.reference,
        "volumeMounts": [{"name": image.volume_name(p), "mountPath": p} for p in image.writable],
    }
    if image.alone:
        found["securityContext"] = LOCKED
    return found


def _run(image: Deployable) -> Json:
    """What the container that runs the services has besides."""
    found: Json = {}
    if ports := _ports(image):
        found["ports"] = [{"name": n, "containerPort": p} for n, p in ports.items()]
    if _has_ssh(image):
        key = {"name": f"{image.object_name}-ssh", "key": "PUBLIC_KEY", "optional": True}
        found["env"] = [{"name": "PUBLIC_KEY", "valueFrom": {"secretKeyRef": key}}]
    return found | {"resources": resources(image), **probes(image.first)}


def _service(image: Deployable, ports: dict[str, int]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": image.object_name, "labels": labels(image)},
        "spec": {
            "selector": _selector(image),
            "ports": [{"name": n, "port": p, "targetPort": n} for n, p in ports.items()],
        },
    }


def _ports(image: Deployable) -> dict[str, int]:
    """The ports of its services, and SSH's where it is offered, by name."""
    found = {name: port.port for port, name in image.port_names()}
    if _has_ssh(image):
        found[image.ssh_name] = SSH_PORT
    return found


def _has_ssh(image: Deployable) -> bool:
    """Only who is root lets others in."""
    return not image.alone and offers_ssh(image)


def _volume(image: Deployable, path: str) -> Json:
    name = image.volume_name(path)
    if path == SCRATCH and path not in image.about.volumes:
        return {"name": name, "emptyDir": {}}
    return {"name": name, "persistentVolumeClaim": {"claimName": _claim_name(image, path)}}


def _claim_name(image: Deployable, path: str) -> str:
    return f"{image.object_name}-{image.volume_name(path)}"


def _selector(image: Deployable) -> Json:
    return {"app.kubernetes.io/name": image.object_name}
