"""A release's deploy files: with the digests that it publishes, among the draft's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from lapstrake.definition.deploying import ServesSpec
from lapstrake.definition.models import Service
from lapstrake.dist import Deploying, read_build
from support.github_api import serve_github
from support.releases import VERSION, Released, family
from support.schemas import compose_problems, kserve_problems, kubernetes_problems
from support.targets import Targets

SERVER = {
    "name": "server",
    "main": True,
    "command": "serve",
    "protocol": "v2",
    "health": {"port": 8080, "path": "/v2/health/ready"},
    "ports": [{"port": 8080, "protocol": "http"}],
}


def serving(targets: Targets, folder: Path, **changes: object) -> Released:
    """A repository whose image `srv` runs a service, in two registries and a draft."""
    registries = [f"{targets.first.host}/x", f"{targets.second.host}/x"]
    released = family(folder, registries, settings={"github": "octo/fam"})
    build = read_build(released.dist)
    service = Service.model_validate({**SERVER, **changes})
    about = Deploying(volumes=("/mnt/models",), serves=(ServesSpec(format="boost"),))
    images = tuple(
        i.model_copy(update={"services": (service,), "deploying": about}) if i.name == "srv" else i
        for i in build.images
    )
    build = build.model_copy(update={"images": images})
    (released.dist / "build.json").write_text(build.model_dump_json())
    return Released(released.root, build)


def documents(data: bytes) -> list[Any]:
    return list(yaml.safe_load_all(data))


def test_every_image_s_files_are_in_the_draft(targets: Targets, tmp_path: Path) -> None:
    released = serving(targets, tmp_path / "a")
    with serve_github(released.root) as api:
        done = released.run(VERSION, "--prebuilt", "--json", env={**targets.env, **api.env})
        assert done.returncode == 0, done.stderr
        (draft,) = api.repository.releases
        assets = {a.name: a.data for a in draft.assets}
    files = {n: documents(d) for n, d in assets.items() if n.endswith(".yaml")}
    stem = f"fam-{VERSION}"
    kinds = ("values", "kserve", "ingress", "srv-kubernetes", "srv-compose")
    assert set(files) == {f"{stem}-{kind}.yaml" for kind in kinds}
    pinned = f"{targets.first.host}/x/fam@{released.digests['srv']}"
    for name, data in assets.items():
        if name in files and not name.endswith("values.yaml"):
            assert pinned in data.decode()
    (values,) = files[f"{stem}-values.yaml"]
    assert {n: i["digest"] for n, i in values["images"].items()} == released.digests
    (runtime,) = files[f"{stem}-kserve.yaml"]
    assert list(kserve_problems(runtime)) == []
    for value in files[f"{stem}-srv-kubernetes.yaml"]:
        assert list(kubernetes_problems(value)) == []
    assert list(compose_problems(files[f"{stem}-srv-compose.yaml"][0])) == []
    assert set(files) <= set(assets["SHA256SUMS"].decode().split())


def test_a_file_that_cannot_be_made_keeps_nobody_from_releasing(
    targets: Targets, tmp_path: Path
) -> None:
    ports = [{"port": p, "protocol": "http", "path": "/same"} for p in (8080, 8081)]
    released = serving(targets, tmp_path / "a", ports=ports)
    with serve_github(released.root) as api:
        done = released.run(VERSION, "--prebuilt", "--json", env={**targets.env, **api.env})
        assert done.returncode == 0, done.stderr
        (draft,) = api.repository.releases
        names = {a.name for a in draft.assets}
    assert f"fam-{VERSION}-ingress.yaml" not in names
    assert f"fam-{VERSION}-kserve.yaml" in names
    told = f"fam-{VERSION}-ingress.yaml is left out: ports 8080 and 8081 of srv would both be at"
    assert told in json.dumps(json.loads(done.stdout))
