"""Trains a model that tells which of two numbers is the larger: `train.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from catboost import CatBoostClassifier

folder = Path(sys.argv[1], "demo")
folder.mkdir(parents=True, exist_ok=True)
pairs = np.random.default_rng(0).uniform(size=(2000, 2))
model = CatBoostClassifier(iterations=50, thread_count=1, verbose=False, allow_writing_files=False)
model.fit(pairs, (pairs[:, 0] > pairs[:, 1]).astype(int))
model.save_model(str(folder / "model.cbm"))
settings = {
    "name": "demo",
    "implementation": "mlserver_catboost.CatboostModel",
    "parameters": {"uri": "./model.cbm"},
}
(folder / "model-settings.json").write_text(json.dumps(settings))
