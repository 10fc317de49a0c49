"""The V2 checks: against a server that can be told to be wrong, and real model servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_maker import Maker, service, without

from lapstrake.layers.kinds import FileEntry
from lapstrake.plan.model import ImagePlan, Plan
from lapstrake.smoke.checking import Failed
from lapstrake.smoke.checks.v2 import compare, numbers
from lapstrake.smoke.report import ImageSmoke
from lapstrake.smoke.trained import Expected

REQUEST = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}

# Doubles what it is given, in a server as small as the protocol allows.
SERVER = """
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        model = self.path.startswith("/v2/models/double")
        if self.path == "/metrics":
            return self.answer("# TYPE up gauge\\nup 1\\n")
        known = self.path in ("/v2", "/v2/health/live", "/v2/health/ready") or model
        about = {"name": "double" if model else "server", "version": "1"}
        self.answer(about, 200 if known else 404)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = [2 * v for v in asked["inputs"][0]["data"]]
        output = {"name": "y", "shape": [2], "datatype": "FP32", "data": data}
        self.answer({"model_name": "double", "outputs": [output]})

    def answer(self, value, code=200):
        data = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

servers = [http.server.ThreadingHTTPServer(("", p), Handler) for p in (8080, 8082)]
import threading
threading.Thread(target=servers[0].serve_forever).start()
servers[1].serve_forever()
"""

CHECKS = ["models-train", "v2-rest", "v2-rest-inference", "v2-grpc", "metrics"]


def serving(maker: Maker) -> ImagePlan:
    ports = [{"port": 8080, "protocol": "http"}, {"port": 8082, "name": "metrics"}]
    serves = service(
        command=["python3", "/srv/server.py"],
        ports=ports,
        health={"port": 8080, "path": "/v2/health/ready"},
        protocol="v2",
    )
    program = FileEntry.of("/srv/server.py", SERVER.encode())
    return maker.image([serves], [program], smoke=(("base", "smoke"),))


def smoked(maker: Maker, expected: object) -> ImageSmoke:
    """With a model whose expected.json is that."""
    folder = maker.folder / "repo/smoke"
    folder.mkdir(parents=True)
    text = json.dumps(json.dumps(expected))
    (folder / "model.py").write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1]) / 'double'\n"
        "folder.mkdir()\n"
        f"(folder / 'expected.json').write_text({text})\n"
    )
    return maker.smoke(serving(maker), CHECKS, maker.folder / "repo")


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.network
def test_a_server_that_is_right(maker: Maker) -> None:
    found = smoked(maker, {"request": REQUEST, "outputs": [{"name": "y", "data": [2.0, 4.0]}]})
    assert [c.verdict for c in found.checks] == ["passed"] * 3 + ["skipped", "passed"]
    assert found.checks[3].why == "no service speaks the V2 protocol over gRPC"


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.network
def test_a_server_that_is_wrong(maker: Maker) -> None:
    found = smoked(maker, {"request": REQUEST, "outputs": [{"name": "y", "data": [2.0, 5.0]}]})
    (failed,) = found.failed
    assert failed.name == "v2-rest-inference"
    assert failed.expected == "double's y to be [2.0, 5.0]"
    assert failed.seen == "[2, 4]"


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.network
def test_an_expectation_that_makes_no_sense(maker: Maker) -> None:
    found = smoked(maker, {"request": {"inputs": []}, "outputs": []})
    assert found.checks[0].seen.startswith("double/expected.json: request.inputs: ")
    assert found.checks[2].verdict == "skipped"


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        ({"y": [1.0, 2.0000001]}, ""),
        ({"y": [1, 2], "z": [3]}, ""),
        ({"y": [1.0, 2.1]}, "[1.0, 2.1]"),
        ({"y": [1.0]}, "[1.0]"),
        ({"z": [1.0, 2.0]}, "z"),
        ({}, "no outputs"),
        ({"y": ["1", "2"]}, "['1', '2']"),
    ],
)
def test_outputs_are_compared_by_value(seen: dict[str, list[float | str]], problem: str) -> None:
    outputs = [{"name": "y", "shape": [2, 1], "data": [[1.0], [2.0]]}]
    expected = Expected.model_validate({"request": REQUEST, "outputs": outputs})
    if not problem:
        compare("m", expected, seen)
        return
    with pytest.raises(Failed) as failed:
        compare("m", expected, seen)
    assert failed.value.seen == problem


def test_nested_data_is_flat() -> None:
    assert numbers([[1, [2.5]], [b"x", "y"]]) == [1, 2.5, "x", "y"]


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.network
@pytest.mark.slow
def test_a_real_runtime_without_one_of_its_packages(
    maker: Maker, own_plan: Plan, top: Path
) -> None:
    broken = without(own_plan.image("lightgbm"), "starlette")
    names = ["pip-check", "imports", "models-train", "tag-is-true"]
    train, check, imports, tag = maker.smoke(broken, names, top).checks
    assert (train.verdict, tag.verdict) == ("passed", "passed")
    assert "starlette" in check.seen
    assert imports.seen.startswith("mlserver")
    assert "No module named 'starlette'" in imports.seen


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.network
@pytest.mark.slow
def test_a_real_runtime_passes_every_check(maker: Maker, own_plan: Plan, top: Path) -> None:
    tested = maker.smoke(own_plan.image("lightgbm"), root=top)
    assert [(c.name, c.expected, c.seen) for c in tested.failed] == []
    skipped = {c.name for c in tested.checks if c.verdict == "skipped"}
    # it has neither data nor CUDA
    assert {name for name in skipped if not name.startswith("cuda-")} == {"data-is-fetched"}
