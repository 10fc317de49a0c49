"""Trains a small model for the smoke test, and notes LightGBM's own answer.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import lightgbm
import numpy as np

NAME = "smoke-lightgbm"


def main(out: Path) -> None:
    """Write OUT/smoke-lightgbm/: the model, its settings, a request and the answer to it."""
    numbers = np.random.default_rng(0)
    rows = numbers.normal(size=(200, 4))
    wanted = rows @ np.array([1.0, -2.0, 0.5, 3.0])
    options = {"objective": "regression", "num_threads": 1, "verbosity": -1, "seed": 0}
    model = lightgbm.train(options, lightgbm.Dataset(rows, wanted), num_boost_round=5)
    asked = rows[:5]
    folder = out / NAME
    folder.mkdir(parents=True)
    model.save_model(folder / "model.bst")
    settings = {
        "name": NAME,
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": "./model.bst"},
    }
    request = {
        "inputs": [
            {
                "name": "predict",
                "shape": list(asked.shape),
                "datatype": "FP64",
                "data": asked.ravel().tolist(),
            }
        ]
    }
    outputs = [{"name": "predict", "data": model.predict(asked).tolist()}]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
