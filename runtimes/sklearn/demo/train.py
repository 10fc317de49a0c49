"""Trains a model that tells which of two numbers is the larger: `train.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression

folder = Path(sys.argv[1], "demo")
folder.mkdir(parents=True, exist_ok=True)
pairs = np.random.default_rng(0).uniform(size=(2000, 2))
model = LogisticRegression().fit(pairs, (pairs[:, 0] > pairs[:, 1]).astype(int))
joblib.dump(model, folder / "model.joblib")
settings = {
    "name": "demo",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib"},
}
(folder / "model-settings.json").write_text(json.dumps(settings))
