"""Trains a model that tells which of two numbers is the larger: `train.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

folder = Path(sys.argv[1], "demo")
folder.mkdir(parents=True, exist_ok=True)
pairs = np.random.default_rng(0).uniform(size=(2000, 2))
model = LogisticRegression().fit(pairs, (pairs[:, 0] > pairs[:, 1]).astype(int))
mlflow.sklearn.save_model(
    model,
    str(folder / "model"),
    signature=infer_signature(pairs, model.predict(pairs)),
    serialization_format="cloudpickle",
    pip_requirements=[],  # else it finds out by importing everything once more
)
settings = {
    "name": "demo",
    "implementation": "mlserver_mlflow.MLflowRuntime",
    "parameters": {"uri": "./model"},
}
(folder / "model-settings.json").write_text(json.dumps(settings))
