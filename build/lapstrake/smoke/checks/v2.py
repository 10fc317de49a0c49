"""The V2 inference protocol, over REST and gRPC, with the answers of the library itself."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from lapstrake.definition.models import Service
from lapstrake.dist import BuiltImage
from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.context import Context
from lapstrake.smoke.trained import Expected, Tensor

_TOLERANCE = 1e-5


def v2_service(image: BuiltImage) -> Service | None:
    """The service that speaks the V2 protocol, if there is one."""
    return next((s for s in image.services if s.protocol == "v2"), None)


def port_of(service: Service, protocol: str) -> int | None:
    """Its port for `http` or `grpc`; metrics have one apart."""
    if protocol == "http" and service.health is not None:
        return service.health.port
    ports = (p.port for p in service.ports if p.protocol == protocol and p.name != "metrics")
    return next(ports, None)


def speaks_rest(image: BuiltImage) -> bool:
    """Whether there is a V2 service with an HTTP port."""
    service = v2_service(image)
    return service is not None and port_of(service, "http") is not None


def speaks_grpc(image: BuiltImage) -> bool:
    """Whether there is a V2 service with a gRPC port."""
    service = v2_service(image)
    return service is not None and port_of(service, "grpc") is not None


@check("v2-rest", when=speaks_rest, why="no service speaks the V2 protocol over HTTP")
def v2_rest(ctx: Context) -> None:
    """Live, ready, the server's metadata and each model's, over REST."""
    with rest(ctx) as client:
        for path in ("health/live", "health/ready", *_model_paths(ctx, "ready")):
            _get(client, path)
        about = _get(client, "").json()
        if not about.get("name") or not about.get("version"):
            raise Failed("the server's name and version from /v2", f"{about}")
        for model in ctx.trained.expected:
            about = _get(client, f"models/{model}").json()
            if about.get("name") != model:
                raise Failed(f"the metadata of {model}", f"{about}")


@check("v2-rest-inference", when=speaks_rest, why="no service speaks the V2 protocol over HTTP")
def v2_rest_inference(ctx: Context) -> None:
    """An inference over REST gives what the library itself gave."""
    with rest(ctx) as client:
        for model, expected in expected_answers(ctx):
            infer(client, model, expected)


def infer(client: httpx.Client, model: str, expected: Expected) -> None:
    """Ask a model over REST, and compare; `Failed` where it answers otherwise."""
    url = f"models/{model}/infer"
    answer = client.post(url, json=expected.request.model_dump())
    if answer.status_code != 200:
        raise Failed(f"200 from POST {url}", f"{answer.status_code}: {answer.text[:300]}")
    outputs = [Tensor.model_validate(o) for o in answer.json()["outputs"]]
    compare(model, expected, {o.name: numbers(o.data) for o in outputs})


@check("v2-grpc", when=speaks_grpc, why="no service speaks the V2 protocol over gRPC")
def v2_grpc(ctx: Context) -> None:
    """Live, ready, the server's metadata and each model's, over gRPC."""
    with _grpc(ctx) as client:
        if not (client.is_server_live() and client.is_server_ready()):
            raise Failed("a server that is live and ready", "it says that it isn't")
        about = client.get_server_metadata()
        if not about.name or not about.version:
            raise Failed("the server's name and version", f"{about}")
        for model in ctx.trained.expected:
            if not client.is_model_ready(model):
                raise Failed(f"{model} to be ready", "it isn't")
            if client.get_model_metadata(model).name != model:
                raise Failed(f"the metadata of {model}", "another model's")


@check("v2-grpc-inference", when=speaks_grpc, why="no service speaks the V2 protocol over gRPC")
def v2_grpc_inference(ctx: Context) -> None:
    """An inference over gRPC gives what the library itself gave."""
    import numpy as np
    from tritonclient import grpc
    from tritonclient.utils import triton_to_np_dtype

    with _grpc(ctx) as client:
        for model, expected in expected_answers(ctx):
            inputs = []
            for tensor in expected.request.inputs:
                kind = triton_to_np_dtype(tensor.datatype)
                put = grpc.InferInput(tensor.name, tensor.shape, tensor.datatype)
                put.set_data_from_numpy(np.array(tensor.data, dtype=kind).reshape(tensor.shape))
                inputs.append(put)
            asked = [grpc.InferRequestedOutput(o.name) for o in expected.outputs]
            answer = client.infer(model, inputs, outputs=asked)
            names = [o.name for o in answer.get_response().outputs]
            outputs = {n: numbers(answer.as_numpy(n).ravel().tolist()) for n in names}
            compare(model, expected, outputs)


def has_metrics(image: BuiltImage) -> bool:
    """Whether a service has a port called metrics."""
    return any(p.name == "metrics" for s in image.services for p in s.ports)


@check("metrics", when=has_metrics, why="no service has a port called metrics")
def metrics(ctx: Context) -> None:
    """/metrics answers in Prometheus' text format."""
    ctx.need_main()
    ports = (p.port for s in ctx.image.services for p in s.ports if p.name == "metrics")
    for port in ports:
        url = f"http://{ctx.guest.host}:{ctx.guest.port(port)}/metrics"
        answer = httpx.get(url, timeout=10, follow_redirects=True, trust_env=False)
        if answer.status_code != 200 or "# TYPE " not in answer.text:
            seen = f"{answer.status_code}: {answer.text[:100]!r}"
            raise Failed(f"Prometheus' text format from :{port}/metrics", seen)


def compare(model: str, expected: Expected, seen: dict[str, list[float | str]]) -> None:
    """Every expected output, with all its values, as near as two float32 can be told apart."""
    for output in expected.outputs:
        wanted, got = numbers(output.data), seen.get(output.name)
        if got is None:
            raise Failed(f"{model}'s output {output.name}", f"{', '.join(seen) or 'no outputs'}")
        if len(wanted) != len(got) or not all(map(_same, wanted, got)):
            raise Failed(f"{model}'s {output.name} to be {wanted}", f"{got}")


def numbers(data: Iterable[Any]) -> list[float | str]:
    """All values of nested lists, in order."""
    return list(_flat(data))


def _flat(data: Iterable[Any]) -> Iterator[float | str]:
    for value in data:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value.decode() if isinstance(value, bytes) else value


def _same(one: float | str, other: float | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def expected_answers(ctx: Context) -> Iterable[tuple[str, Expected]]:
    """Every model with what it must answer; `Skipped` where there is none."""
    if not ctx.trained.expected:
        raise Skipped(ctx.trained.problem or "the image has no model to serve")
    return ctx.trained.expected.items()


def _model_paths(ctx: Context, what: str) -> list[str]:
    return [f"models/{m}/{what}" for m in ctx.trained.expected]


def rest(ctx: Context) -> httpx.Client:
    """A client of the V2 service's REST, below /v2/, with the models loaded."""
    ctx.need_models()
    service = v2_service(ctx.image)
    port = port_of(service, "http") if service else None
    if port is None:  # `when` has seen to it
        raise Skipped("no service speaks the V2 protocol over HTTP")
    url = f"http://{ctx.guest.host}:{ctx.guest.port(port)}/v2/"
    return httpx.Client(base_url=url, timeout=30, trust_env=False)


def _get(client: httpx.Client, path: str) -> httpx.Response:
    answer = client.get(path.rstrip("/") if path else str(client.base_url).rstrip("/"))
    if answer.status_code != 200:
        raise Failed(f"200 from GET /v2/{path}", f"{answer.status_code}: {answer.text[:300]}")
    return answer


def _grpc(ctx: Context) -> Any:
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from tritonclient import grpc

    ctx.need_models()
    service = v2_service(ctx.image)
    port = port_of(service, "grpc") if service else None
    if port is None:  # `when` has seen to it
        raise Skipped("no service speaks the V2 protocol over gRPC")
    return grpc.InferenceServerClient(f"{ctx.guest.host}:{ctx.guest.port(port)}")
