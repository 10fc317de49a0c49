"""The runtime: one signature of a SavedModel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from lapstrake_python import CannotLoad, Signature, TensorModel, TensorSpec
from mlserver.errors import InferenceError

Array = np.ndarray[Any, np.dtype[Any]]

_FILE = "saved_model.pb"
_DTYPES: Mapping[tf.DType, np.dtype[Any]] = {
    tf.bool: np.dtype(np.bool_),
    tf.uint8: np.dtype(np.uint8),
    tf.uint16: np.dtype(np.uint16),
    tf.uint32: np.dtype(np.uint32),
    tf.uint64: np.dtype(np.uint64),
    tf.int8: np.dtype(np.int8),
    tf.int16: np.dtype(np.int16),
    tf.int32: np.dtype(np.int32),
    tf.int64: np.dtype(np.int64),
    tf.float16: np.dtype(np.float16),
    tf.float32: np.dtype(np.float32),
    tf.float64: np.dtype(np.float64),
    tf.bfloat16: np.dtype(np.float32),
    tf.string: np.dtype(object),
}


class TensorFlowModel(TensorModel):
    """A SavedModel; README.md says what the settings may have."""

    refusals = (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, ValueError)

    # The module keeps its signatures' variables: a signature alone doesn't.
    _module: Any = None
    _function: Any = None

    def open(self, path: Path) -> Signature:
        """Load the folder; `CannotLoad` where it has no such signature."""
        folder = path.parent if path.name == _FILE else path
        if not (folder / _FILE).is_file():
            raise CannotLoad(self.name, folder, f"the folder has no {_FILE}")
        module = tf.saved_model.load(str(folder), tags=self.option("tags", ["serve"]))
        name = self.option("signature", "serving_default")
        if name not in module.signatures:
            have = ", ".join(sorted(module.signatures)) or "none"
            raise CannotLoad(self.name, folder, f"no signature {name}; its signatures are {have}")
        function = module.signatures[name]
        _, takes = function.structured_input_signature
        inputs = tuple(_spec(n, takes[n]) for n in sorted(takes))
        gives = function.structured_outputs
        outputs = tuple(_spec(n, gives[n]) for n in sorted(gives))
        self._module, self._function = module, function
        return Signature(inputs, outputs)

    def run(self, inputs: dict[str, Array], wanted: Sequence[str]) -> Mapping[str, object]:
        """Call the signature."""
        del wanted
        if self._function is None:
            raise InferenceError(f"{self.name} is not loaded")
        _, takes = self._function.structured_input_signature
        tensors = {n: tf.constant(a, dtype=takes[n].dtype) for n, a in inputs.items()}
        found = self._function(**tensors)
        return {n: _array(found[n]) for n in sorted(found)}

    def close(self) -> None:
        """Let go of the model."""
        self._module = self._function = None


def _spec(name: str, told: Any) -> TensorSpec:
    if told.dtype not in _DTYPES:
        raise ValueError(f"{name} is of the type {told.dtype.name}, which V2 doesn't have")
    known = told.shape.rank is not None
    shape = tuple(-1 if n is None else n for n in told.shape.as_list()) if known else None
    return TensorSpec(name, _DTYPES[told.dtype], shape)


def _array(tensor: Any) -> Array:
    found: Array = (tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor).numpy()
    return np.asarray(found)
