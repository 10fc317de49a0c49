"""The runtime: a session of ONNX Runtime, and what it says of its model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from lapstrake_python import CannotLoad, Signature, TensorModel, TensorSpec
from mlserver.errors import InferenceError
from mlserver.logging import logger
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

Array = np.ndarray[Any, np.dtype[Any]]

_TYPES: Mapping[str, np.dtype[Any]] = {
    "bool": np.dtype(np.bool_),
    "uint8": np.dtype(np.uint8),
    "uint16": np.dtype(np.uint16),
    "uint32": np.dtype(np.uint32),
    "uint64": np.dtype(np.uint64),
    "int8": np.dtype(np.int8),
    "int16": np.dtype(np.int16),
    "int32": np.dtype(np.int32),
    "int64": np.dtype(np.int64),
    "float16": np.dtype(np.float16),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    "string": np.dtype(object),
}
_TENSOR = re.compile(r"tensor\((\w+)\)")
# What ZipMap gives: for each row a map from class to probability
_MAPS = re.compile(r"seq\(map\(\w+,tensor\((float|double)\)\)\)")


class OnnxModel(TensorModel):
    """An ONNX model; README.md says what the settings may have."""

    files = ("model.onnx",)
    refusals = (InvalidArgument, ValueError)

    _session: onnxruntime.InferenceSession | None = None

    def open(self, path: Path) -> Signature:
        """Make the session; `CannotLoad` for an input that the V2 protocol has no type for."""
        if path.is_dir():
            raise CannotLoad(self.name, path, f"the folder has no {self.files[0]}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.option("threads", 0)
        wanted: list[str] = self.option("providers", [])
        providers = wanted or onnxruntime.get_available_providers()
        session = onnxruntime.InferenceSession(str(path), options, providers)
        inputs = tuple(self._input(node, path) for node in session.get_inputs())
        outputs = tuple(spec for node in session.get_outputs() for spec in self._outputs(node))
        self._session = session
        return Signature(inputs, outputs)

    def run(self, inputs: dict[str, Array], wanted: Sequence[str]) -> Mapping[str, object]:
        """Run the session; what a node refuses is the client's to know."""
        if self._session is None or self._signature is None:
            raise InferenceError(f"{self.name} is not loaded")
        names = list(wanted) or [o.name for o in self._signature.outputs or ()]
        try:
            found = self._session.run(names, inputs)
        except (Fail, RuntimeException) as error:
            if "allocat" in str(error):  # no fault of the request, or not of it alone
                raise
            # such as two inputs whose lengths don't go together, which only the graph knows
            raise InferenceError(" ".join(str(error).split())) from error
        return {
            n: _table(v) if isinstance(v, list) else v for n, v in zip(names, found, strict=True)
        }

    def close(self) -> None:
        """Let go of the session."""
        self._session = None

    def _input(self, node: Any, path: Path) -> TensorSpec:
        dtype = _dtype(node.type)
        if dtype is None:
            why = f"its input {node.name} is of the type {node.type}, which V2 doesn't have"
            raise CannotLoad(self.name, path, why)
        return TensorSpec(node.name, dtype, _shape(node.shape))

    def _outputs(self, node: Any) -> tuple[TensorSpec, ...]:
        """One spec, or none for a type that can't be told in V2."""
        dtype = _dtype(node.type)
        if dtype is not None:
            return (TensorSpec(node.name, dtype, _shape(node.shape)),)
        maps = _MAPS.fullmatch(node.type)
        if maps:
            return (TensorSpec(node.name, _TYPES[maps[1]], (-1, -1)),)
        logger.warning(f"{self.name}: output {node.name} is left out: it is {node.type}")
        return ()


def _dtype(written: str) -> np.dtype[Any] | None:
    """Numpy's type for such as `tensor(float)`; None where it is no tensor that V2 can have."""
    found = _TENSOR.fullmatch(written)
    return _TYPES.get(found[1]) if found else None


def _shape(written: Sequence[int | str | None]) -> tuple[int, ...]:
    """A dimension with a name, or without either, is of any length."""
    return tuple(n if isinstance(n, int) else -1 for n in written)


def _table(rows: Sequence[Mapping[Any, float]]) -> Array:
    """Maps from class to probability as rows and columns."""
    classes = sorted({key for row in rows for key in row})
    return np.array([[row[c] for c in classes] for row in rows], dtype=np.float32)
