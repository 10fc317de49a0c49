"""Trains a small model for the smoke test, and notes XGBoost's own answer.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import xgboost

NAME = "smoke-xgboost"


def main(out: Path) -> None:
    """Write OUT/smoke-xgboost/: the model, its settings, a request and the answer to it."""
    numbers = np.random.default_rng(0)
    rows = numbers.normal(size=(200, 4)).astype(np.float32)
    wanted = rows @ np.array([1.0, -2.0, 0.5, 3.0], dtype=np.float32)
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(rows, wanted)
    asked = rows[:5]
    folder = out / NAME
    folder.mkdir(parents=True)
    model.save_model(folder / "model.json")
    settings = {
        "name": NAME,
        "implementation": "mlserver_xgboost.XGBoostModel",
        "parameters": {"uri": "./model.json"},
    }
    request = {
        "inputs": [
            {
                "name": "predict",
                "shape": list(asked.shape),
                "datatype": "FP32",
                "data": asked.ravel().tolist(),
            }
        ]
    }
    outputs = [{"name": "predict", "data": model.predict(asked).tolist()}]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
