"""Trains a small model for the smoke test, and notes CatBoost's own answer.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from catboost import CatBoostClassifier

NAME = "smoke-catboost"


def main(out: Path) -> None:
    """Write OUT/smoke-catboost/: the model, its settings, a request and the answer to it."""
    numbers = np.random.default_rng(0)
    rows = numbers.normal(size=(200, 4))
    kinds = (rows @ np.array([1.0, -2.0, 0.5, 3.0]) > 0).astype(int) + (rows[:, 0] > 1)
    options = {"iterations": 10, "depth": 3, "thread_count": 1, "random_seed": 0}
    model = CatBoostClassifier(**options, verbose=False, allow_writing_files=False)
    model.fit(rows, kinds)
    asked = rows[:8]
    folder = out / NAME
    folder.mkdir(parents=True)
    model.save_model(str(folder / "model.cbm"))
    settings = {
        "name": NAME,
        "implementation": "mlserver_catboost.CatboostModel",
        "parameters": {"uri": "./model.cbm"},
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
