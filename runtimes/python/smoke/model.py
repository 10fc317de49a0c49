"""Writes a class as a user would, and notes what it answers when it is called as it is.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

NAME = "smoke-python"

CODE = '''
import json

import numpy as np


class Words:
    """How near texts are to each other by the letters that they have; and a weight on it."""

    inputs = [
        {"name": "text", "datatype": "BYTES", "shape": [-1]},
        {"name": "weight", "datatype": "FP64", "shape": [1]},
    ]
    outputs = [
        {"name": "nearness", "datatype": "FP64", "shape": [-1, -1]},
        {"name": "longest", "datatype": "BYTES", "shape": [1]},
    ]

    def load(self, folder):
        self.letters = json.loads((folder / "letters.json").read_text())

    def predict(self, text, weight):
        counts = np.array([[t.count(x) for x in self.letters] for t in text], dtype=float)
        if not counts.any(axis=1).all():
            raise ValueError("a text has none of the letters")
        counts /= np.linalg.norm(counts, axis=1, keepdims=True)
        return {"nearness": counts @ counts.T * weight, "longest": [max(text, key=len)]}
'''


def main(out: Path) -> None:
    """Write OUT/smoke-python/: the class, a file that it reads, settings, a request and answer."""
    folder = out / NAME
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(CODE)
    (folder / "letters.json").write_text(json.dumps(list("aeinrst")))
    texts, weight = ["lapstrake", "a planked hull", "größer", "tar"], 2.0
    settings = {
        "name": NAME,
        "implementation": "lapstrake_python.PythonModel",
        "parameters": {"uri": "./model.py"},
    }
    request = {
        "inputs": [
            {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts},
            {"name": "weight", "shape": [1], "datatype": "FP64", "data": [weight]},
        ]
    }
    answer = called(folder, texts, weight)
    outputs = [{"name": n, "data": np.asarray(v).tolist()} for n, v in answer.items()]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


def called(folder: Path, texts: list[str], weight: float) -> dict[str, Any]:
    """What the class answers without any server."""
    names: dict[str, Any] = {}
    exec(CODE, names)  # noqa: S102
    model = names["Words"]()
    model.load(folder)
    found: dict[str, Any] = model.predict(text=texts, weight=weight)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
