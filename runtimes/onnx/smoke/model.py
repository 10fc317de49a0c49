"""Writes a small ONNX model for the smoke test, and notes ONNX Runtime's own answer.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md. The image can run ONNX models
and has nothing that writes them. A model is a protobuf message, of which a small graph needs few
fields: they are written here as they lie in the file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

NAME = "smoke-onnx"

FLOAT = 1  # of TensorProto.DataType


def varint(value: int) -> bytes:
    """A number in as many bytes as it needs, seven bits in each."""
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a message: a number, a text, or the bytes of another message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def value_info(name: str, *shape: int | str) -> bytes:
    """ValueInfoProto: a tensor of FLOAT; dimensions by length or by name."""
    dims = b"".join(field(1, field(1 if isinstance(n, int) else 2, n)) for n in shape)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, dims)))


def tensor(name: str, array: np.ndarray) -> bytes:
    """TensorProto: a constant of the graph."""
    dims = b"".join(field(1, n) for n in array.shape)
    return dims + field(2, FLOAT) + field(8, name) + field(9, array.astype("<f4").tobytes())


def node(kind: str, inputs: list[str], output: str) -> bytes:
    """NodeProto: one operation."""
    return b"".join(field(1, n) for n in inputs) + field(2, output) + field(4, kind)


def network(weights: np.ndarray, offset: np.ndarray) -> bytes:
    """ModelProto: `score` = relu(x · weights + offset) · scale, `shares` = its softmax."""
    nodes = [
        node("MatMul", ["x", "weights"], "product"),
        node("Add", ["product", "offset"], "sum"),
        node("Relu", ["sum"], "positive"),
        node("Mul", ["positive", "scale"], "score"),
        node("Softmax", ["score"], "shares"),
    ]
    graph = b"".join(field(1, n) for n in nodes) + field(2, "smoke")
    graph += field(5, tensor("weights", weights)) + field(5, tensor("offset", offset))
    width, classes = weights.shape
    graph += field(11, value_info("x", "rows", width)) + field(11, value_info("scale", 1))
    graph += field(12, value_info("score", "rows", classes))
    graph += field(12, value_info("shares", "rows", classes))
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))  # IR 8, opset 17


def main(out: Path) -> None:
    """Write OUT/smoke-onnx/: the model, its settings, a request and the answer to it."""
    numbers = np.random.default_rng(0)
    folder = out / NAME
    folder.mkdir(parents=True)
    path = folder / "model.onnx"
    path.write_bytes(network(numbers.normal(size=(4, 3)), numbers.normal(size=3)))
    x = numbers.normal(size=(5, 4)).astype(np.float32)
    scale = np.array([0.5], np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    score, shares = session.run(None, {"x": x, "scale": scale})
    settings = {
        "name": NAME,
        "implementation": "lapstrake_onnx.OnnxModel",
        "parameters": {"uri": "./model.onnx"},
    }
    request = {
        "inputs": [
            {"name": "x", "shape": [5, 4], "datatype": "FP32", "data": x.ravel().tolist()},
            {"name": "scale", "shape": [1], "datatype": "FP32", "data": scale.tolist()},
        ]
    }
    outputs = [
        {"name": "score", "data": score.tolist()},
        {"name": "shares", "data": shares.tolist()},
    ]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
