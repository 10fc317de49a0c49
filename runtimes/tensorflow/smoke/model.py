"""Saves a small TensorFlow model for the smoke test, and notes TensorFlow's own answer.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

NAME = "smoke-tensorflow"


class Scores(tf.Module):
    """A linear model with a vocabulary: numbers and a word in, scores and a word out."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(np.random.default_rng(0).normal(size=(4, 3)), dtype=tf.float32)
        self.kinds = tf.constant(["clinker", "carvel", "strip"])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4], tf.float32, name="x"),
            tf.TensorSpec([None], tf.string, name="word"),
        ]
    )
    def __call__(self, x: tf.Tensor, word: tf.Tensor) -> dict[str, tf.Tensor]:
        lengths = tf.cast(tf.strings.length(word), tf.float32)
        scores = tf.matmul(x, self.weights) + lengths[:, None]
        return {"scores": scores, "kind": tf.gather(self.kinds, tf.argmax(scores, axis=1))}


def main(out: Path) -> None:
    """Write OUT/smoke-tensorflow/: the model, its settings, a request and the answer to it."""
    folder = out / NAME
    folder.mkdir(parents=True)
    model = Scores()
    tf.saved_model.save(model, str(folder / "saved"))
    x = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    words = ["plank", "rib", "keelson"]
    own = model(tf.constant(x), tf.constant(words))
    settings = {
        "name": NAME,
        "implementation": "lapstrake_tensorflow.TensorFlowModel",
        "parameters": {"uri": "./saved"},
    }
    request = {
        "inputs": [
            {"name": "x", "shape": [3, 4], "datatype": "FP32", "data": x.ravel().tolist()},
            {"name": "word", "shape": [3], "datatype": "BYTES", "data": words},
        ]
    }
    outputs = [
        {"name": "scores", "data": own["scores"].numpy().tolist()},
        {"name": "kind", "data": [k.decode() for k in own["kind"].numpy()]},
    ]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
