"""Saves a small MLflow model for the smoke test, and notes MLflow's own answer.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

NAME = "smoke-mlflow"


def main(out: Path) -> None:
    """Write OUT/smoke-mlflow/: the model, its settings, a request and the answer to it."""
    numbers = np.random.default_rng(0)
    rows = numbers.normal(size=(50, 3))
    model = LinearRegression().fit(rows, rows @ np.array([1.0, -2.0, 0.5]) + 4)
    asked = rows[:4]
    folder = out / NAME
    folder.mkdir(parents=True)
    saved = folder / "model"
    mlflow.sklearn.save_model(
        model,
        str(saved),
        signature=infer_signature(rows, model.predict(rows)),
        serialization_format="cloudpickle",
        pip_requirements=[],  # else it finds out by importing everything once more
    )
    own = mlflow.pyfunc.load_model(str(saved)).predict(asked)
    settings = {
        "name": NAME,
        "implementation": "mlserver_mlflow.MLflowRuntime",
        "parameters": {"uri": "./model"},
    }
    request = {
        "inputs": [
            {
                "name": "input-0",
                "shape": list(asked.shape),
                "datatype": "FP64",
                "data": asked.ravel().tolist(),
            }
        ]
    }
    outputs = [{"name": "output-1", "data": own.tolist()}]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
