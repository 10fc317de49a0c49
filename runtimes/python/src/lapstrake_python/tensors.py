"""Tensors of the V2 protocol as numpy arrays, checked against what a model says of itself.

Whatever is wrong with a request is an `InferenceError`: a 400 with one sentence.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from mlserver.errors import InferenceError
from mlserver.types import (
    Datatype,
    MetadataTensor,
    Parameters,
    RequestInput,
    ResponseOutput,
)

from lapstrake_python.errors import BadAnswer

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Arrays: TypeAlias = dict[str, Array]

TEXT = np.dtype(object)

_DTYPES: Mapping[Datatype, np.dtype[Any]] = {
    Datatype.BOOL: np.dtype(np.bool_),
    Datatype.UINT8: np.dtype(np.uint8),
    Datatype.UINT16: np.dtype(np.uint16),
    Datatype.UINT32: np.dtype(np.uint32),
    Datatype.UINT64: np.dtype(np.uint64),
    Datatype.INT8: np.dtype(np.int8),
    Datatype.INT16: np.dtype(np.int16),
    Datatype.INT32: np.dtype(np.int32),
    Datatype.INT64: np.dtype(np.int64),
    Datatype.FP16: np.dtype(np.float16),
    Datatype.FP32: np.dtype(np.float32),
    Datatype.FP64: np.dtype(np.float64),
    Datatype.BYTES: TEXT,
}
# By name: an array may have the other order of bytes.
_DATATYPES = {dtype.name: datatype for datatype, dtype in _DTYPES.items()}


@dataclass(frozen=True)
class TensorSpec:
    """What a model says of one of its inputs or outputs.

    Attributes:
        name: its name.
        dtype: numpy's type; `object` for text; None where the model doesn't say.
        shape: with -1 where any length will do; None where the model doesn't say.
        optional: whether a request may leave it out.
    """

    name: str
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] | None = None
    optional: bool = False

    @classmethod
    def of(cls, tensor: MetadataTensor) -> TensorSpec:
        """The same, from what settings or a class say in the protocol's words."""
        return cls(tensor.name, dtype_of(tensor.datatype), tuple(tensor.shape))

    @property
    def metadata(self) -> MetadataTensor | None:
        """The same in the protocol's words; None where too little is known for that."""
        if self.dtype is None or self.shape is None:
            return None
        return MetadataTensor(
            name=self.name, datatype=datatype_of(self.dtype, self.name), shape=list(self.shape)
        )


def dtype_of(datatype: Datatype | str) -> np.dtype[Any]:
    """Numpy's type for one of the protocol; `ValueError` where there is none of that name."""
    return _DTYPES[Datatype(datatype)]


def datatype_of(dtype: np.dtype[Any], name: str) -> Datatype:
    """The protocol's type for numpy's; `BadAnswer` where it has none, such as complex numbers."""
    if dtype.kind in "OSU":
        return Datatype.BYTES
    found = _DATATYPES.get(dtype.name)
    if found is None:
        raise BadAnswer(f"{name!r} is of the type {dtype.name}, which the V2 protocol doesn't have")
    return found


# --- requests ------------------------------------------------------------------------------------


def decode_inputs(
    inputs: Sequence[RequestInput], specs: Sequence[TensorSpec] | None
) -> dict[str, Array]:
    """The inputs of a request by name, in the model's order.

    Args:
        inputs: as the server got them.
        specs: what the model takes; None where it doesn't say, and anything is taken.

    Raises:
        InferenceError: the request is at fault; the text says what and where.
    """
    given: dict[str, RequestInput] = {}
    for tensor in inputs:
        if tensor.name in given:
            raise InferenceError(f"there are two inputs called {tensor.name!r}")
        given[tensor.name] = tensor
    if specs is None:
        return {name: to_array(tensor) for name, tensor in given.items()}
    _check_names(given, specs)
    return {s.name: _fit(s, to_array(given[s.name])) for s in specs if s.name in given}


def _check_names(given: Iterable[str], specs: Sequence[TensorSpec]) -> None:
    known = ", ".join(s.name for s in specs) or "none"
    for name in given:
        if all(s.name != name for s in specs):
            raise InferenceError(f"the model has no input {name!r}; its inputs are {known}")
    for spec in specs:
        if not spec.optional and spec.name not in given:
            raise InferenceError(f"the input {spec.name!r} is missing; the inputs are {known}")


def to_array(tensor: RequestInput) -> Array:
    """One input, as it describes itself; `InferenceError` where its values are not so."""
    try:
        dtype = dtype_of(tensor.datatype)
    except ValueError:
        raise _wrong(tensor.name, f"there is no datatype {tensor.datatype!r}") from None
    data = getattr(tensor.data, "root", tensor.data)
    array = _texts(tensor, data) if dtype == TEXT else _numbers(tensor, data, dtype)
    shape = tuple(tensor.shape)
    if any(n < 0 for n in shape) or prod(shape) != array.size:
        what = f"it has {array.size} values, which is not what the shape {list(shape)} takes"
        raise _wrong(tensor.name, what)
    return array.reshape(shape)


def _numbers(tensor: RequestInput, data: object, dtype: np.dtype[Any]) -> Array:
    datatype = Datatype(tensor.datatype).value
    try:
        natural = np.asarray(data)
        if natural.size and natural.dtype.kind not in "biufO":  # O: null, or a very large integer
            raise _wrong(tensor.name, f"it is {datatype}, and its data are no numbers")
        if dtype.kind in "iu" and natural.dtype.kind == "f":
            natural = np.asarray(data, dtype=object)  # floats don't have all integers
        with np.errstate(all="ignore"):
            array = natural.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(tensor.name, f"its data are no regular array of {datatype}") from None
    if not _same_values(natural, array):
        raise _wrong(tensor.name, f"it has values that {datatype} doesn't have")
    return array


def _same_values(natural: Array, array: Array) -> bool:
    """Whether nothing but digits was lost: no fraction, no sign, nothing too large."""
    if array.dtype.kind == "f":
        return bool(np.array_equal(np.isinf(natural.astype(np.float64)), np.isinf(array)))
    return bool(np.array_equal(natural, array))


def _texts(tensor: RequestInput, data: object) -> Array:
    parameters = tensor.parameters
    encoded = parameters is not None and parameters.content_type == "base64"
    values = [_text(tensor.name, v, encoded=encoded) for v in _flat(data)]
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _flat(data: object) -> Iterator[object]:
    if isinstance(data, list | tuple):
        for part in data:
            yield from _flat(part)
    else:
        yield data


def _text(name: str, value: object, *, encoded: bool) -> str | bytes:
    """Text where it is UTF-8, else bytes; and bytes where they came in Base64."""
    if not isinstance(value, str | bytes):
        raise _wrong(name, f"it is BYTES, and {value!r} is no text")
    if encoded:
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise _wrong(name, "its content type is base64, and its data are not") from None
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _fit(spec: TensorSpec, array: Array) -> Array:
    """An input in the type and shape that the model takes."""
    if spec.dtype is not None and array.dtype != spec.dtype:
        if TEXT in (array.dtype, spec.dtype) or not np.can_cast(array.dtype, spec.dtype, "safe"):
            is_, takes = (datatype_of(d, spec.name).value for d in (array.dtype, spec.dtype))
            raise _wrong(spec.name, f"it is {is_}, and the model takes {takes}")
        array = array.astype(spec.dtype)
    if spec.shape is None or _fits(spec.shape, array.shape):
        return array
    column = _as_column(spec.shape, array)
    if column is None:
        seen, takes = list(array.shape), list(spec.shape)
        raise _wrong(spec.name, f"its shape is {seen}, and the model takes {takes} (-1: any)")
    return column


def _fits(wanted: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(wanted) == len(shape) and all(
        w in (-1, n) for w, n in zip(wanted, shape, strict=True)
    )


def _as_column(wanted: tuple[int, ...], array: Array) -> Array | None:
    """A column may come as [N] or [N, 1]: clients that send tables do either."""
    shape = array.shape
    if len(shape) == len(wanted) + 1 == 2 and shape[1] == 1 and _fits(wanted, shape[:1]):
        return array.reshape(shape[:1])
    if len(shape) + 1 == len(wanted) == 2 and wanted[1] == 1 and _fits(wanted[:1], shape):
        return array.reshape(*shape, 1)
    return None


def _wrong(name: str, what: str) -> InferenceError:
    return InferenceError(f"input {name!r}: {what}")


# --- answers -------------------------------------------------------------------------------------


def encode_output(name: str, value: object) -> ResponseOutput:
    """One output for the answer; `BadAnswer` where the protocol has no such type.

    NaN stays NaN: it travels as such over gRPC, and as null in JSON, which has no other word.
    """
    array = np.asarray(value)
    datatype = datatype_of(array.dtype, name)
    content_type = "np"
    data: list[Any]
    if datatype is Datatype.BYTES:
        content_type, data = _encode_texts(array.ravel().tolist())
    else:
        data = array.ravel().tolist()
    return ResponseOutput(
        name=name,
        datatype=datatype,
        shape=list(array.shape),
        data=data,
        parameters=Parameters(content_type=content_type),
    )


def _encode_texts(values: list[object]) -> tuple[str, list[bytes]]:
    """Text as UTF-8, with what MLServer calls it; Base64 where any is not."""
    found = [v if isinstance(v, bytes) else str(v).encode() for v in values]
    try:
        for value in found:
            value.decode()
    except UnicodeDecodeError:
        return "base64", [base64.b64encode(v) for v in found]
    return "str", found
