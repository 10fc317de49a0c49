from __future__ import annotations

import base64
import math

import numpy as np
import pytest
from lapstrake_python import TensorSpec
from lapstrake_python.errors import BadAnswer
from lapstrake_python.tensors import TEXT, decode_inputs, encode_output, to_array
from mlserver.errors import InferenceError
from mlserver.types import Parameters, RequestInput


def tensor(data: object, datatype: str = "FP32", shape: list[int] | None = None) -> RequestInput:
    # as gRPC makes it: nothing is validated
    from mlserver.types import TensorData

    found = shape if shape is not None else [len(data)]  # type: ignore[arg-type]
    return RequestInput.model_construct(
        name="x", shape=found, datatype=datatype, data=TensorData(root=data), parameters=None
    )


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BOOL", [True, False]),
        ("UINT8", [0, 255]),
        ("UINT64", [0, 2**64 - 1]),
        ("INT8", [-128, 127]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("FP16", [0.5, -2.0]),
        ("FP32", [0.5, -2.0]),
        ("FP64", [0.1, 1e300]),
        ("BYTES", ["a", "ä"]),
    ],
)
def test_every_datatype_comes_back_as_it_was_sent(datatype: str, data: list[object]) -> None:
    array = to_array(tensor(data, datatype))
    out = encode_output("y", array)
    assert out.datatype == datatype
    values = [v.decode() if isinstance(v, bytes) else v for v in out.data]
    assert values == data
    assert out.shape == [2]


def test_values_may_lie_flat_or_nested() -> None:
    flat = to_array(tensor([1, 2, 3, 4, 5, 6], shape=[2, 3]))
    nested = to_array(tensor([[1, 2, 3], [4, 5, 6]], shape=[2, 3]))
    np.testing.assert_array_equal(flat, nested)
    assert flat.dtype == np.float32
    texts = to_array(tensor([["a"], ["b"]], "BYTES", [2, 1]))
    assert texts.tolist() == [["a"], ["b"]]


def test_null_is_nan_in_floats_alone() -> None:
    assert math.isnan(to_array(tensor([1.0, None], "FP64"))[1])
    with pytest.raises(InferenceError, match="no regular array of INT32"):
        to_array(tensor([1, None], "INT32"))


@pytest.mark.parametrize(
    ("data", "datatype", "shape", "said"),
    [
        ([1, 2, 3], "FP32", [2, 2], "3 values, which is not what the shape"),
        ([1, 2], "FP32", [-1, -2], "not what the shape"),
        ([[1, 2], [3]], "FP32", [3], "no regular array"),
        (["a", "b"], "FP32", [2], "its data are no numbers"),
        ([1, 300], "UINT8", [2], "values that UINT8 doesn't have"),
        ([1, -1], "UINT32", [2], "values that UINT32 doesn't have"),
        ([1, 1.5], "INT64", [2], "values that INT64 doesn't have"),
        ([1, 2**70], "INT64", [2], "no regular array of INT64"),
        ([1, 1e300], "FP32", [2], "values that FP32 doesn't have"),
        ([0, 2], "BOOL", [2], "values that BOOL doesn't have"),
        ([1, 2], "BYTES", [2], "1 is no text"),
        ([1, 2], "FLOAT", [2], "no datatype 'FLOAT'"),
    ],
)
def test_what_isnt_as_it_says_is_refused(
    data: object, datatype: str, shape: list[int], said: str
) -> None:
    with pytest.raises(InferenceError, match=said) as caught:
        to_array(tensor(data, datatype, shape))
    assert caught.value.status_code == 400
    assert "'x'" in str(caught.value)


def test_base64_becomes_bytes_and_goes_back_as_base64() -> None:
    raw = b"\xff\x00\x01"
    given = tensor([base64.b64encode(raw)], "BYTES")
    given.parameters = Parameters(content_type="base64")
    array = to_array(given)
    assert array.tolist() == [raw]
    out = encode_output("y", array)
    assert out.parameters is not None
    assert out.parameters.content_type == "base64"
    assert base64.b64decode(out.data[0]) == raw
    given = tensor(["not base64!"], "BYTES")
    given.parameters = Parameters(content_type="base64")
    with pytest.raises(InferenceError, match="base64"):
        to_array(given)


SPECS = (
    TensorSpec("x", np.dtype(np.float32), (-1, 2)),
    TensorSpec("scale", np.dtype(np.int64), (1,), optional=True),
)


def named(name: str, data: object, datatype: str, shape: list[int]) -> RequestInput:
    made = tensor(data, datatype, shape)
    made.name = name
    return made


def test_inputs_come_in_the_models_order_and_type() -> None:
    given = [named("scale", [3], "INT32", [1]), named("x", [1, 2], "FP16", [1, 2])]
    found = decode_inputs(given, SPECS)
    assert list(found) == ["x", "scale"]
    assert found["x"].dtype == np.float32
    assert found["scale"].dtype == np.int64
    assert list(decode_inputs(given[1:], SPECS)) == ["x"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([("x", "FP64", [1, 2])], "'x': it is FP64, and the model takes FP32"),
        ([("x", "BYTES", [1, 2])], "it is BYTES, and the model takes FP32"),
        ([("x", "FP32", [2])], r"its shape is \[2\], and the model takes \[-1, 2\]"),
        ([("x", "FP32", [2, 1])], r"its shape is \[2, 1\]"),
        ([("y", "FP32", [1, 2])], "no input 'y'; its inputs are x, scale"),
        ([("scale", "INT64", [2])], "'x' is missing; the inputs are x, scale"),
        ([("x", "FP32", [1, 2]), ("x", "FP32", [1, 2])], "two inputs called 'x'"),
        ([], "'x' is missing"),
    ],
)
def test_what_the_model_doesnt_take_is_refused(
    given: list[tuple[str, str, list[int]]], said: str
) -> None:
    texts = {"BYTES": ["a", "b"]}
    made = [named(n, texts.get(t, [1, 2]), t, s) for n, t, s in given]
    with pytest.raises(InferenceError, match=said):
        decode_inputs(made, SPECS)


@pytest.mark.parametrize(("takes", "sent"), [((-1,), [3, 1]), ((-1, 1), [3])])
def test_a_column_may_come_either_way(takes: tuple[int, ...], sent: list[int]) -> None:
    spec = TensorSpec("x", np.dtype(np.float32), takes)
    found = decode_inputs([tensor([1, 2, 3], shape=sent)], [spec])
    assert found["x"].shape == tuple(3 if n == -1 else n for n in takes)


def test_a_model_that_says_nothing_takes_anything() -> None:
    found = decode_inputs([tensor(["a"], "BYTES"), named("y", [1], "INT8", [1])], None)
    assert found["x"].dtype == TEXT
    assert found["y"].dtype == np.int8


def test_a_scalar_keeps_its_shape_and_nan_stays_nan() -> None:
    assert encode_output("y", np.float32(2.5)).shape == []
    assert math.isnan(encode_output("y", np.array([np.nan])).data[0])


def test_types_that_the_protocol_lacks_are_the_models_fault() -> None:
    with pytest.raises(BadAnswer, match="complex64") as caught:
        encode_output("y", np.zeros(1, np.complex64))
    assert caught.value.status_code == 500
