"""Trains a small model for the smoke test, and notes XGBoost's own answer.

It is served on a GPU where the container has one, on the CPU elsewhere. Runs in the image's
Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import xgboost

NAME = "smoke-xgboost-cuda"


def main(out: Path) -> None:
    """Write OUT/smoke-xgboost-cuda/: the model, its settings, a request and the answer to it."""
    numbers = np.random.default_rng(1)
    rows = numbers.normal(size=(200, 3)).astype(np.float32)
    wanted = rows @ np.array([2.0, -1.0, 0.5], dtype=np.float32)
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(rows, wanted)
    folder = out / NAME
    folder.mkdir(parents=True)
    model.save_model(folder / "model.ubj")
    settings = {
        "name": NAME,
        "implementation": "lapstrake_xgboost.XGBoostModel",
        "parameters": {"uri": "./model.ubj"},
    }
    asked = rows[:5]
    data = asked.ravel().tolist()
    one = {"name": "rows", "shape": list(asked.shape), "datatype": "FP32", "data": data}
    outputs = [{"name": "predict", "data": model.predict(asked).tolist()}]
    expected = {"request": {"inputs": [one]}, "outputs": outputs}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
