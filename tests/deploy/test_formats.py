"""What is written is what KServe, Kubernetes, Compose, Docker and others take."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from deploy_family import DIGEST, FILES, Write, image_of, locked, plan_of

from lapstrake.cli.deploy import FORMATS as NAMES
from lapstrake.deploy.container import LOCKED
from lapstrake.deploy.formats import FORMATS
from lapstrake.deploy.model import GROUP, SCRATCH, USER
from lapstrake.errors import UserError
from lapstrake.plan.model import Plan
from lapstrake.smoke.engine import Start
from support.schemas import compose_problems, kserve_problems, kubernetes_problems

PINNED = f"registry.example.com/team/shop@{DIGEST}"


@pytest.fixture
def plan(write: Write) -> Plan:
    return plan_of(locked(write(FILES)))


def written(plan: Plan, kind: str, *names: str, digest: str = DIGEST) -> list[Any]:
    """The documents of a format, read back."""
    text = FORMATS[kind]([image_of(plan, n, digest) for n in names])
    return list(yaml.safe_load_all(text))


def only(values: Iterator[Any] | list[Any], kind: str) -> Any:
    (found,) = (v for v in values if v["kind"] == kind)
    return found


def test_the_command_knows_every_format() -> None:
    assert tuple(FORMATS) == NAMES


# --- KServe ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["boost", "full", "llm", "plain"])
def test_kserve_finds_nothing_wrong(plan: Plan, name: str) -> None:
    (found,) = written(plan, "kserve", name)
    assert list(kserve_problems(found)) == []
    assert found["metadata"]["name"] == f"shop-{name}"
    (container,) = found["spec"]["containers"]
    assert container["image"] == PINNED
    # the pod is one that Kubernetes takes, too
    spec = {k: found["spec"][k] for k in ("containers", "volumes")}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
    assert list(kubernetes_problems(pod)) == []


def test_the_checks_of_schemas_can_fail(plan: Plan) -> None:
    (found,) = written(plan, "kserve", "boost")
    found["spec"]["supportedModelFormats"][0]["auto"] = True
    found["spec"]["containers"][0]["ports"] = 8080
    assert len(list(kserve_problems(found))) == 2
    deployment = only(written(plan, "kubernetes", "boost"), "Deployment")
    deployment["spec"]["replicaz"] = 1
    assert len(list(kubernetes_problems(deployment))) == 2  # one for each version
    (file,) = written(plan, "compose", "boost")
    file["services"]["boost"]["imag"] = "x"
    assert list(compose_problems(file)) != []


def test_kserve_is_told_what_the_image_serves(plan: Plan) -> None:
    (boost,) = written(plan, "kserve", "boost")
    assert boost["spec"]["supportedModelFormats"] == [{"name": "boost"}]
    assert boost["spec"]["protocolVersions"] == ["v2"]
    assert boost["spec"]["annotations"]["prometheus.kserve.io/port"] == "8082"
    (container,) = boost["spec"]["containers"]
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert {e["name"]: e["value"] for e in container["env"]} == {
        "MODEL": "{{.Name}}",
        "CLASS": "boost.Model",
    }
    (full,) = written(plan, "kserve", "full")
    # the runtime that is apart is none of full's
    assert [f["name"] for f in full["spec"]["supportedModelFormats"]] == ["boost", "trees"]
    # what the runtimes don't agree in is left to the model's own settings
    assert full["spec"]["containers"][0]["env"] == [{"name": "MODEL", "value": "{{.Name}}"}]
    (llm,) = written(plan, "kserve", "llm")
    assert llm["spec"]["supportedModelFormats"] == [
        {"name": "llm", "version": "2", "autoSelect": True, "priority": 1}
    ]
    (plain,) = written(plan, "kserve", "plain")
    assert plain["spec"]["supportedModelFormats"] == [{"name": "plain"}]
    assert "env" not in plain["spec"]["containers"][0]


def test_kserve_runs_it_with_no_rights(plan: Plan) -> None:
    (found,) = written(plan, "kserve", "boost")
    (container,) = found["spec"]["containers"]
    context = container["securityContext"]
    assert context == {**LOCKED, "runAsUser": USER, "runAsGroup": GROUP}
    assert (context["runAsNonRoot"], context["capabilities"]) == (True, {"drop": ["ALL"]})
    # KServe mounts the model; all else that is written to is the scratch folder
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert found["spec"]["volumes"] == [{"name": "tmp", "emptyDir": {}}]


def test_the_smoke_check_starts_it_just_so() -> None:
    options = Start(user="1:0", writable=(SCRATCH,)).options
    assert {
        "allowPrivilegeEscalation": options["security_opt"] != ["no-new-privileges"],
        "capabilities": {"drop": options["cap_drop"]},
        "privileged": options.get("privileged", False),
        "readOnlyRootFilesystem": options["read_only"],
        "runAsNonRoot": not options["user"].startswith("0"),
    } == LOCKED


# --- Kubernetes --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["boost", "full", "jupyter", "llm", "worker"])
def test_kubernetes_finds_nothing_wrong(plan: Plan, name: str) -> None:
    found = written(plan, "kubernetes", name)
    assert [list(kubernetes_problems(v)) for v in found] == [[] for _ in found]
    deployment = only(found, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert {c["image"] for c in (*pod["containers"], *pod.get("initContainers", ()))} == {PINNED}
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    claims = {v["metadata"]["name"] for v in found if v["kind"] == "PersistentVolumeClaim"}
    mounted = [v["persistentVolumeClaim"] for v in pod["volumes"] if "emptyDir" not in v]
    assert {m["claimName"] for m in mounted} == claims
    volumes = [v["name"] for v in pod["volumes"]]
    assert len(set(volumes)) == len(volumes)
    for container in pod["containers"]:
        assert [m["name"] for m in container["volumeMounts"]] == volumes
    if name == "worker":
        assert {v["kind"] for v in found} == {"Deployment"}
    else:
        service = only(found, "Service")
        assert service["spec"]["selector"].items() <= labels
        names = [p["name"] for p in pod["containers"][0]["ports"]]
        assert [p["targetPort"] for p in service["spec"]["ports"]] == names
        assert len(set(names)) == len(names)


def test_one_service_alone_has_no_rights(plan: Plan) -> None:
    pod = only(written(plan, "kubernetes", "boost"), "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == USER
    assert pod["containers"][0]["securityContext"] == LOCKED
    ports = [p["containerPort"] for p in pod["containers"][0]["ports"]]
    assert ports == [8080, 8081, 8082]  # nobody logs in to who isn't root


def test_several_services_need_supervisor_and_let_people_in(plan: Plan) -> None:
    found = written(plan, "kubernetes", "jupyter")
    (container,) = only(found, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert "securityContext" not in container
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {"http-6006": 6006, "lab": 8888, "tcp-9000": 9000, "ssh": 9001, "ssh-22": 22}
    (key,) = container["env"]
    assert key["valueFrom"]["secretKeyRef"]["optional"] is True
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 1}


def test_probes_tell_alive_from_ready(plan: Plan) -> None:
    def probes(name: str) -> dict[str, Any]:
        pod = only(written(plan, "kubernetes", name), "Deployment")["spec"]["template"]["spec"]
        container = pod["containers"][0]
        return {k: v for k, v in container.items() if k.endswith("Probe")}

    boost = probes("boost")
    assert boost["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": 8080}
    assert boost["livenessProbe"]["httpGet"] == {"path": "/v2/health/live", "port": 8080}
    assert boost["startupProbe"]["failureThreshold"] * boost["startupProbe"]["periodSeconds"] == 600
    jupyter = probes("jupyter")
    assert jupyter["readinessProbe"]["httpGet"] == {"path": "/jupyter/api", "port": 8888}
    assert jupyter["livenessProbe"]["tcpSocket"] == {"port": 8888}
    assert probes("worker") == {}


def test_data_are_fetched_before_it_starts(plan: Plan) -> None:
    pod = only(written(plan, "kubernetes", "llm"), "Deployment")["spec"]["template"]["spec"]
    (first,) = pod["initContainers"]
    assert first["args"] == ["/usr/local/bin/lapstrake-fetch"]
    assert first["volumeMounts"] == pod["containers"][0]["volumeMounts"]
    assert first["securityContext"] == LOCKED
    assert "initContainers" not in json.dumps(written(plan, "kubernetes", "boost"))


# --- Compose, Docker ---------------------------------------------------------------------------


def test_compose_finds_nothing_wrong(plan: Plan) -> None:
    (found,) = written(plan, "compose", "boost", "jupyter", "llm", "worker")
    assert list(compose_problems(found)) == []
    assert set(found["services"]) == {"boost", "jupyter", "llm-fetch", "llm", "worker"}
    assert {s["image"] for s in found["services"].values()} == {PINNED}
    mounts = [m for s in found["services"].values() for m in s.get("volumes", ())]
    assert {m.partition(":")[0] for m in mounts} == set(found["volumes"])
    published = [p for s in found["services"].values() for p in s.get("ports", ())]
    assert all(p.startswith("127.0.0.1:") for p in published)
    fixed = [p for p in published if "::" not in p]
    assert len({p.split(":")[1] for p in fixed}) == len(fixed)
    assert found["services"]["llm"]["depends_on"] == {
        "llm-fetch": {"condition": "service_completed_successfully"}
    }
    (device,) = found["services"]["jupyter"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_lines_for_docker(plan: Plan) -> None:
    text = FORMATS["docker"]([image_of(plan, n) for n in ("jupyter", "llm")])
    jupyter, fetch, llm = (shlex.split(line) for line in text.splitlines())
    assert jupyter[:5] == ["docker", "run", "-d", "--name", "shop-jupyter"]
    assert jupyter[-1] == PINNED
    assert "--gpus" in jupyter
    assert "--gpus" not in llm
    assert "127.0.0.1:2222:22" in jupyter
    mount = ["-v", "shop-llm-mnt-models:/mnt/models"]
    assert fetch == ["docker", "run", "--rm", *mount, PINNED, "/usr/local/bin/lapstrake-fetch"]
    assert llm[-3:-1] == mount


# --- ingress, Helm -----------------------------------------------------------------------------


def test_ingress_routes_http_by_path_and_all_else_by_port(plan: Plan) -> None:
    jupyter, boost = written(plan, "ingress", "jupyter", "boost")
    assert jupyter == {
        "imageNames": [PINNED, "registry.example.com/team/shop:1.2.0-jupyter"],
        "type": "tool",
        "httpRules": [
            {"port": 6006, "name": "http-6006", "path": "/monitor"},
            {"port": 8888, "name": "lab", "path": "/jupyter"},
        ],
        "tcpRules": [
            {"port": 22, "name": "ssh-22"},
            {"port": 9000, "name": "tcp-9000"},
            {"port": 9001, "name": "ssh"},
        ],
    }
    assert boost["type"] == "inference"
    assert {r["port"]: r["path"] for r in boost["httpRules"]} == {8080: "/", 8082: "/metrics"}
    assert [r["port"] for r in boost["tcpRules"]] == [22, 8081]


def test_helm_values_name_every_image_by_digest(plan: Plan) -> None:
    (found,) = written(plan, "helm", *(i.name for i in plan.images))
    assert set(found["images"]) == {i.name for i in plan.images}
    assert found["images"]["boost"] == {
        "registry": "registry.example.com",
        "repository": "team/shop",
        "tag": "1.2.0-boost",
        "digest": DIGEST,
    }


# --- what can't be -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [k for k in NAMES if k != "helm"])
def test_an_image_without_services(plan: Plan, kind: str) -> None:
    with pytest.raises(UserError) as error:
        written(plan, kind, "base")
    assert error.value.message == "base runs no service: there is nothing to deploy"


@pytest.mark.parametrize(
    ("kind", "name", "digest", "message"),
    [
        ("kserve", "slim", DIGEST, "slim serves no model format that KServe could choose it for"),
        (
            "kserve",
            "jupyter",
            DIGEST,
            "jupyter has no main service that speaks the V2 protocol, as KServe does",
        ),
        ("ingress", "worker", DIGEST, "no service of worker has a port: there is nothing to route"),
        ("helm", "boost", "", "nobody knows the digest of boost"),
    ],
)
def test_what_a_format_is_not_for(
    plan: Plan, kind: str, name: str, digest: str, message: str
) -> None:
    with pytest.raises(UserError) as error:
        written(plan, kind, name, digest=digest)
    assert error.value.message.startswith(message)
    assert error.value.hint


def test_two_ports_at_one_path(write: Write) -> None:
    text = FILES["images/jupyter/image.yaml"].replace("/monitor", "/jupyter")
    plan = plan_of(locked(write({**FILES, "images/jupyter/image.yaml": text})))
    with pytest.raises(UserError, match="ports 8888 and 6006 of jupyter would both be at /jupyter"):
        written(plan, "ingress", "jupyter")


def test_a_name_that_kubernetes_does_not_take(write: Write) -> None:
    long = "a" * 60
    plan = plan_of(locked(write({**FILES, f"runtimes/{long}/runtime.yaml": "apart: true\n"})))
    with pytest.raises(UserError, match="longer than the 63 characters"):
        written(plan, "kubernetes", long)
    files = {k: v.replace("name: shop", "name: 3d.shop_1") for k, v in FILES.items()}
    plan = plan_of(locked(write(files, "other")))
    found = written(plan, "kubernetes", "boost")
    assert only(found, "Service")["metadata"]["name"] == "i-3d-shop-1-boost"
    assert [list(kubernetes_problems(v)) for v in found] == [[] for _ in found]


def test_without_a_digest_the_tag_has_to_do(plan: Plan) -> None:
    (found,) = written(plan, "compose", "boost", digest="")
    assert found["services"]["boost"]["image"] == "registry.example.com/team/shop:1.2.0-boost"
