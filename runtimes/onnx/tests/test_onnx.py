from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from lapstrake_python.testing import answer, load_model, request
from mlserver import MLModel
from mlserver.errors import InferenceError, MLServerError
from onnx import TensorProto, helper

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


def write(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any]) -> Path:
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=8,
    )
    onnx.checker.check_model(made)
    path.write_bytes(made.SerializeToString())
    return path


def product(path: Path) -> Path:
    """Left · right, both with lengths that only the request knows; and the sum of left."""
    value = helper.make_tensor_value_info
    return write(
        path,
        [
            helper.make_node("MatMul", ["left", "right"], ["product"]),
            helper.make_node("ReduceSum", ["left"], ["sum"], keepdims=0),
        ],
        [value("left", FLOAT, ["n", "k"]), value("right", FLOAT, ["m", 2])],
        [value("product", FLOAT, ["n", 2]), value("sum", FLOAT, [])],
    )


async def loaded(path: Path, **extra: object) -> MLModel:
    return await load_model(path.parent, "lapstrake_onnx.OnnxModel", f"./{path.name}", **extra)


def ones(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.ones(shape, np.float32)


async def test_it_answers_as_the_library_does(tmp_path: Path) -> None:
    path = product(tmp_path / "model.onnx")
    model = await loaded(path, threads=1)
    inputs = {"left": np.arange(6, dtype=np.float32).reshape(2, 3), "right": ones(3, 2)}
    found = await model.predict(request(**inputs))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [o.name for o in found.outputs] == ["product", "sum"]
    for output, own in zip(found.outputs, session.run(None, inputs), strict=True):
        assert list(output.data) == own.ravel().tolist()
        assert output.shape == list(own.shape)
    await model.unload()
    with pytest.raises(InferenceError, match="is not loaded"):
        await model.predict(request(**inputs))


async def test_the_model_says_what_it_takes(tmp_path: Path) -> None:
    model = await loaded(product(tmp_path / "model.onnx"))
    about = await model.metadata()
    told = [(t.name, t.datatype, t.shape) for t in (about.inputs or [])]
    assert told == [("left", "FP32", [-1, -1]), ("right", "FP32", [-1, 2])]
    told = [(t.name, t.shape) for t in (about.outputs or [])]
    assert told == [("product", [-1, 2]), ("sum", [])]


async def test_only_what_is_wanted_is_answered(tmp_path: Path) -> None:
    model = await loaded(product(tmp_path / "model.onnx"))
    assert await answer(model, ["sum"], left=ones(2, 3), right=ones(3, 2)) == {"sum": [6.0]}
    with pytest.raises(InferenceError, match="no output 'mean'; its outputs are product, sum"):
        await answer(model, ["mean"], left=ones(2, 3), right=ones(3, 2))


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        (ones(2, 5), ones(3, 2), "MatMul"),
        (ones(2, 3), ones(3, 4), r"'right'.*\[-1, 2\]"),
        (np.ones((2, 3)), ones(3, 2), "'left': it is FP64.*takes FP32"),
        (ones(3), ones(3, 2), r"'left'.*\[-1, -1\]"),
    ],
)
async def test_what_the_graph_cannot_take_is_the_clients_fault(
    tmp_path: Path, left: Any, right: Any, said: str
) -> None:
    model = await loaded(product(tmp_path / "model.onnx"))
    with pytest.raises(InferenceError, match=said) as caught:
        await model.predict(request(left=left, right=right))
    assert caught.value.status_code == 400


async def test_text_goes_in_and_out(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    path = write(
        tmp_path / "model.onnx",
        [
            helper.make_node(
                "LabelEncoder",
                ["word"],
                ["number"],
                domain="ai.onnx.ml",
                keys_strings=["one", "two"],
                values_int64s=[1, 2],
                default_int64=-1,
            ),
            helper.make_node("Identity", ["word"], ["same"]),
        ],
        [value("word", STRING, [None, 1])],
        [value("number", INT64, [None, 1]), value("same", STRING, [None, 1])],
    )
    model = await loaded(path)
    found = await answer(model, word=["two", "three"])  # a flat column
    assert found == {"number": [2, -1], "same": ["two", "three"]}


async def test_a_list_of_maps_becomes_a_table(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    maps = helper.make_sequence_type_proto(
        helper.make_map_type_proto(INT64, helper.make_tensor_type_proto(FLOAT, []))
    )
    path = write(
        tmp_path / "model.onnx",
        [helper.make_node("ZipMap", ["x"], ["p"], domain="ai.onnx.ml", classlabels_int64s=[7, 3])],
        [value("x", FLOAT, [None, 2])],
        [onnx.ValueInfoProto(name="p", type=maps)],
    )
    model = await loaded(path)
    x = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
    found = await model.predict(request(x=x))
    assert found.outputs[0].shape == [2, 2]
    assert list(found.outputs[0].data) == [0.75, 0.25, 0.0, 1.0]  # the class 3 comes first


async def test_models_that_cannot_be_loaded_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(MLServerError, match=r"can't be loaded from .*broken\.onnx: ") as caught:
        await loaded(broken)
    assert caught.value.status_code == 422
    (tmp_path / "empty").mkdir()
    with pytest.raises(MLServerError, match=r"the folder has no model\.onnx"):
        await loaded(tmp_path / "empty")
    with pytest.raises(MLServerError, match=r"extra\.threads is 'all', no int"):
        await loaded(product(tmp_path / "model.onnx"), threads="all")
