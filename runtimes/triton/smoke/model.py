"""Writes a small model for Triton's Python backend, and notes what its function itself gives.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

NAME = "smoke-triton"

CONFIG = """backend: "python"
max_batch_size: 0
input [
  {name: "x", data_type: TYPE_FP32, dims: [-1, 4]},
  {name: "word", data_type: TYPE_STRING, dims: [-1]}
]
output [
  {name: "scores", data_type: TYPE_FP32, dims: [-1]},
  {name: "longer", data_type: TYPE_STRING, dims: [-1]}
]
instance_group [{kind: KIND_CPU}]
"""

CODE = '''
import numpy as np


def answer(x, word):
    """The sum of each row and its word's length, and the word once more with a plank."""
    lengths = np.array([len(w) for w in word], dtype=np.float32)
    return x.sum(axis=1) + lengths, np.array([w + b" plank" for w in word], dtype=object)


class TritonPythonModel:
    def execute(self, requests):
        import triton_python_backend_utils as triton

        answers = []
        for request in requests:
            x, word = (
                triton.get_input_tensor_by_name(request, n).as_numpy() for n in ("x", "word")
            )
            named = zip(("scores", "longer"), answer(x, word))
            tensors = [triton.Tensor(name, array) for name, array in named]
            answers.append(triton.InferenceResponse(output_tensors=tensors))
        return answers
'''


def main(out: Path) -> None:
    """Write OUT/smoke-triton/: the model's configuration and code, a request and the answer."""
    folder = out / NAME
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1/model.py").write_text(CODE)
    names: dict[str, Any] = {}
    exec(CODE, names)  # noqa: S102
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    words = ["keel", "stem", "garboard"]
    scores, longer = names["answer"](x, np.array([w.encode() for w in words], dtype=object))
    request = {
        "inputs": [
            {"name": "x", "shape": [3, 4], "datatype": "FP32", "data": x.ravel().tolist()},
            {"name": "word", "shape": [3], "datatype": "BYTES", "data": words},
        ]
    }
    outputs = [
        {"name": "scores", "data": scores.tolist()},
        {"name": "longer", "data": [w.decode() for w in longer]},
    ]
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
