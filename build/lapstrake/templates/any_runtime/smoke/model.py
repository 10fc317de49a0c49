"""Makes a tiny model for the smoke test, and the answer that is expected of it.

Run inside the image, as `model.py OUT`: it writes OUT/$name/ with model-settings.json, the
model's files, and expected.json (`request` is sent to the server, `outputs` must come back).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def main(out: Path) -> None:
    folder = out / "$name"
    folder.mkdir(parents=True)
    slope, offset = np.array([2.0, -1.0]), 0.5
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    (folder / "weights.json").write_text(json.dumps({"slope": slope.tolist(), "offset": offset}))
    settings = {
        "name": "$name",
        "implementation": "$module.$cls",
        "parameters": {"uri": "./weights.json"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
    answer = rows @ slope + offset
    request = {
        "inputs": [
            {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": rows.ravel().tolist()}
        ]
    }
    outputs = [{"name": "predict", "data": answer.tolist()}]
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
