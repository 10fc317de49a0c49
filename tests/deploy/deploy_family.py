"""A family with every kind of image that can be deployed, and one that can't."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from lapstrake.definition.load import load
from lapstrake.deploy.model import Deployable
from lapstrake.lock.file import write_lock
from lapstrake.lock.inputs import lock_inputs
from lapstrake.lock.model import LOCK_NAME, Deb, Lock
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan

Write = Callable[..., Path]

DIGEST = f"sha256:{'d' * 64}"

SERVER = """
services:
  - name: server
    main: true
    command: serve /mnt/models
    directory: /tmp
    protocol: v2
    health: {port: 8080, path: /v2/health/ready}
    ports:
      - {port: 8080, name: rest, protocol: http}
      - {port: 8081, name: grpc, protocol: grpc}
      - {port: 8082, name: metrics, protocol: http}
volumes: [/mnt/models]
"""

JUPYTER = """
extends: base
description: A workbench
services:
  - name: lab
    main: true
    command: jupyter lab
    ports: [{port: 8888, name: lab, protocol: http, path: /jupyter}]
    health: {port: 8888, path: /jupyter/api}
  - name: tensorboard
    command: tensorboard
    ports: [{port: 6006, name: a-name-longer-than-15, protocol: http, path: /monitor}]
  - {name: raw, command: raw, ports: [9000, {port: 9001, name: ssh}]}
volumes: [/root/work, /root-work]
env: {NVIDIA_VISIBLE_DEVICES: all}
"""

FILES = {
    "lapstrake.yaml": "name: shop\nversion: 1.2.0\n"
    "release: {registries: [registry.example.com/team]}\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [openssh-server, tini]}\n",
    "images/slim/image.yaml": f"extends: base\ntag: {{service: serv, package: tini}}{SERVER}",
    "images/full/image.yaml": "extends: slim\nruntimes: all\n"
    "tag: {service: serv-full, package: tini}\n",
    "images/jupyter/image.yaml": JUPYTER,
    "images/worker/image.yaml": "extends: base\n"
    "services: [{name: work, main: true, command: work}]\n",
    "images/llm/image.yaml": f"extends: base\nserves: [{{format: llm, version: '2', auto: true}}]\n"
    f"data:\n  - url: https://example.org/llm\n    sha256: {'a' * 64}\n"
    f"    path: /mnt/models/llm/weights{SERVER}",
    "runtimes/boost/runtime.yaml": "serves:\n  - format: boost\n"
    '    env: {MODEL: "{{.Name}}", CLASS: boost.Model}\n',
    "runtimes/trees/runtime.yaml": "serves:\n  - format: trees\n"
    '    env: {MODEL: "{{.Name}}", CLASS: trees.Model}\n',
    "runtimes/plain/runtime.yaml": "apart: true\n",
}


def deb(name: str, version: str) -> Deb:
    """A package that exists nowhere."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    path = f"pool/{name}.deb"
    return Deb(
        name=name, version=version, arch="amd64", sha256=sha256, size=1, path=path, archive="b"
    )


def locked(root: Path) -> Path:
    """Write the lock of a definition in which images have nothing but a root."""
    debs = (deb("openssh-server", "1:9.2p1-2"), deb("tini", "0.19.0-1"))
    lock = Lock(
        platform="linux/amd64",
        epoch=1_700_000_000,
        roots={"base": debs},
        apt={},
        images={},
        resolutions={},
        inputs=lock_inputs(load(root)),
    )
    write_lock(root / LOCK_NAME, lock)
    return root


def plan_of(root: Path, *names: str) -> Plan:
    """The plan of a definition that `locked` has written the lock of."""
    from lapstrake.lock.file import read_lock

    return make_plan(load(root), read_lock(root / LOCK_NAME), names)


def image_of(plan: Plan, name: str, digest: str = DIGEST) -> Deployable:
    """An image of a plan, as it lies in a registry."""
    return Deployable.of_plan(plan, plan.image(name), "registry.example.com/team/shop", digest)
