"""Trains a model that tells which of two numbers is the larger: `train.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import xgboost

folder = Path(sys.argv[1], "demo")
folder.mkdir(parents=True, exist_ok=True)
pairs = np.random.default_rng(0).uniform(size=(2000, 2)).astype(np.float32)
wanted = (pairs[:, 0] > pairs[:, 1]).astype(np.float32)
model = xgboost.XGBRegressor(n_estimators=50, max_depth=4).fit(pairs, wanted)
model.save_model(folder / "model.json")
settings = {
    "name": "demo",
    "implementation": "lapstrake_xgboost.XGBoostModel",
    "parameters": {"uri": "./model.json"},
}
(folder / "model-settings.json").write_text(json.dumps(settings))
