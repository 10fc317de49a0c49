"""The runtime: an evaluator of JPMML in a JVM within this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jpmml_evaluator
import jpype
import jpype.config
import numpy as np
import pandas as pd
from jpmml_evaluator.jpype import JPypeBackend
from lapstrake_python import CannotLoad, Signature, TensorModel, TensorSpec
from mlserver.errors import InferenceError

Array = np.ndarray[Any, np.dtype[Any]]

TEXT = np.dtype(object)
# All else (dates, times, durations) is text, as PMML writes it.
_TYPES: Mapping[str, np.dtype[Any]] = {
    "boolean": np.dtype(np.bool_),
    "integer": np.dtype(np.int64),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
}
_COLUMN = (-1,)
# What the one target of a model is called that gives it no name.
_UNNAMED = "predict"

_starting = threading.Lock()


class PmmlModel(TensorModel):
    """A PMML model; README.md says what the settings may have."""

    files = ("model.pmml",)
    refusals = (jpmml_evaluator.JavaError, ValueError)

    _evaluator: jpmml_evaluator.Evaluator | None = None

    def open(self, path: Path) -> Signature:
        """Read the model; `CannotLoad` where it is none, or fails its own examples."""
        if path.is_dir():
            raise CannotLoad(self.name, path, f"the folder has no {self.files[0]}")
        evaluator = jpmml_evaluator.make_evaluator(path, backend=_backend())
        if self.option("verify", True):
            evaluator.verify()
        inputs = tuple(_spec(field) for field in evaluator.getInputFields())
        fields = [*evaluator.getTargetFields(), *evaluator.getOutputFields()]
        outputs = {spec.name: spec for spec in map(_spec, fields)}
        self._evaluator = evaluator
        return Signature(inputs, tuple(outputs.values()))

    def run(self, inputs: dict[str, Array], wanted: Sequence[str]) -> Mapping[str, object]:
        """Evaluate all rows; the first that the model can't take is told by its number."""
        del wanted
        if self._evaluator is None or self._signature is None:
            raise InferenceError(f"{self.name} is not loaded")
        lengths = {name: len(column) for name, column in inputs.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} {n}" for name, n in lengths.items())
            raise InferenceError(f"the columns have different lengths: {shown}")
        rows = pd.DataFrame({n: column.astype(object) for n, column in inputs.items()})
        found, errors = self._evaluator.evaluateAll(rows, error_col=None, parallelism=1)
        if errors is not None:
            for number, error in enumerate(errors):
                if isinstance(error, str) and error not in ("", "None"):
                    raise InferenceError(f"row {number}: {error}")
        outputs = self._signature.outputs or ()
        columns = {str(_UNNAMED if c is None else c): c for c in found.columns}
        return {o.name: column(o, list(found[columns[o.name]])) for o in outputs}

    def close(self) -> None:
        """Let go of the evaluator: Java frees it then. The JVM stays, for the next model."""
        self._evaluator = None


def _backend() -> JPypeBackend:
    """The JVM of this process, which is started for the first model.

    With -Xrs it leaves signals to Python: to a JVM, SIGTERM would mean its own end at once. Python
    doesn't wait for it when it ends: there are Java threads that never do, so that a worker of the
    server would have to be killed.
    """
    with _starting:
        if not jpype.isJVMStarted():
            # the package has no other way to add an option
            jpype.config.destroy_jvm = False
            classpath = jpmml_evaluator._classpath([])
            jpype.startJVM("-Xrs", classpath=classpath)
        return JPypeBackend()


def _spec(field: jpmml_evaluator.ModelField) -> TensorSpec:
    name = field.getName()
    return TensorSpec(
        _UNNAMED if name is None else str(name), _TYPES.get(str(field.getDataType()), TEXT), _COLUMN
    )


def column(spec: TensorSpec, values: list[Any]) -> Array:
    """A column of the answer; numbers that are missing are NaN, which integers don't have."""
    if spec.dtype == TEXT:
        return np.array(["" if v is None else str(v) for v in values], dtype=object)
    if any(v is None for v in values):
        return np.array(values, dtype=np.float64)
    return np.array(values, dtype=spec.dtype)
