"""Trains a model that tells which of two numbers is the larger: `train.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import lightgbm
import numpy as np

folder = Path(sys.argv[1], "demo")
folder.mkdir(parents=True, exist_ok=True)
pairs = np.random.default_rng(0).uniform(size=(2000, 2))
wanted = (pairs[:, 0] > pairs[:, 1]).astype(int)
options = {"objective": "binary", "verbosity": -1, "seed": 0}
model = lightgbm.train(options, lightgbm.Dataset(pairs, wanted), num_boost_round=50)
model.save_model(folder / "model.bst")
settings = {
    "name": "demo",
    "implementation": "mlserver_lightgbm.LightGBMModel",
    "parameters": {"uri": "./model.bst"},
}
(folder / "model-settings.json").write_text(json.dumps(settings))
