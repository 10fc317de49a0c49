"""A model without settings of its own, served as KServe serves it: by the runtime's variables."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from lapstrake.build import build
from lapstrake.definition.load import load
from lapstrake.deploy.kserve import kserve
from lapstrake.deploy.model import Deployable
from lapstrake.dist import read_build
from lapstrake.engines.local.engine import LocalEngine
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME
from lapstrake.plan.make import make_plan
from lapstrake.report.progress import JsonLines
from lapstrake.smoke.engine import Engine
from lapstrake.store.store import Store


def test_the_variables_name_the_model_class_that_the_smoke_model_names(top: Path) -> None:
    named = 0
    for image in load(top).images.values():
        for spec in image.spec.serves:
            if wanted := spec.env.get("MLSERVER_MODEL_IMPLEMENTATION"):
                assert f'"{wanted}"' in (image.folder / "smoke/model.py").read_text(), image.name
                named += 1
    assert named >= 3


@pytest.fixture
def runtime(top: Path, tmp_path: Path) -> Iterator[tuple[Engine, str, dict[str, Any]]]:
    """The engine, its id of the sklearn image, and what KServe is told of the container."""
    repo = load(top)
    plan = make_plan(repo, read_lock(repo.root / LOCK_NAME), ["sklearn"])
    # a name of its own: what another test removes from the engine isn't this test's
    plan = replace(plan, family=f"test-{secrets.token_hex(6)}")
    with JsonLines() as progress:
        build(plan, LocalEngine(), Store(), tmp_path / "dist", progress, 2)
    built = read_build(tmp_path / "dist")
    found = yaml.safe_load(kserve([Deployable.of_build(built, built.images[0], "localhost/x")]))
    with Engine() as engine:
        with engine.source(tmp_path / "dist", built) as source:
            image_id = source.load(built.images[0])
        yield engine, image_id, found["spec"]["containers"][0]
        engine.close(images=True)


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.network
@pytest.mark.slow
def test_a_bare_model_file_is_served(
    runtime: tuple[Engine, str, dict[str, Any]], top: Path, tmp_path: Path
) -> None:
    engine, image_id, told = runtime
    models = tmp_path / "models"
    script = {str(top / "runtimes/sklearn/smoke"): {"bind": "/smoke"}, str(models): {"bind": "/o"}}
    engine.client.containers.run(
        image_id, ["python3", "/smoke/model.py", "/o"], volumes=script, remove=True
    )
    (trained,) = models.glob("*/model.joblib")
    for other in trained.parent.iterdir():
        if other != trained:
            other.unlink()
    context = told["securityContext"]
    container = engine.client.containers.run(
        image_id,
        detach=True,
        user=f"{context['runAsUser']}:{context['runAsGroup']}",
        cap_drop=context["capabilities"]["drop"],
        security_opt=["no-new-privileges"],
        read_only=context["readOnlyRootFilesystem"],
        tmpfs={m["mountPath"]: "mode=1777" for m in told["volumeMounts"]},
        volumes={str(trained.parent): {"bind": "/mnt/models", "mode": "ro"}},
        environment={e["name"]: e["value"].replace("{{.Name}}", "iris") for e in told["env"]},
        ports={f"{told['ports'][0]['containerPort']}/tcp": ("127.0.0.1", None)},
    )
    try:
        container.reload()
        (port,) = container.ports[f"{told['ports'][0]['containerPort']}/tcp"]
        until_served(f"http://127.0.0.1:{port['HostPort']}/v2/models/iris/ready")
    finally:
        container.remove(force=True, v=True)


def until_served(url: str) -> None:
    end = time.monotonic() + 180
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=10, trust_env=False).status_code == 200:
                return
        assert time.monotonic() < end
        time.sleep(0.2)
