"""Trains a small model for the smoke test, and notes scikit-learn's own answer.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

NAME = "smoke-sklearn"


def main(out: Path) -> None:
    """Write OUT/smoke-sklearn/: the model, its settings, a request and the answer to it."""
    flowers, kinds = load_iris(return_X_y=True)
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(flowers, kinds)
    asked = flowers[::30]
    folder = out / NAME
    folder.mkdir(parents=True)
    joblib.dump(model, folder / "model.joblib")
    settings = {
        "name": NAME,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    request = {
        "inputs": [
            {
                "name": "predict",
                "shape": list(asked.shape),
                "datatype": "FP64",
                "data": asked.ravel().tolist(),
            }
        ],
        "outputs": [{"name": "predict"}, {"name": "predict_proba"}],
    }
    outputs = [
        {"name": "predict", "data": model.predict(asked).tolist()},
        {"name": "predict_proba", "data": model.predict_proba(asked).tolist()},
    ]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
