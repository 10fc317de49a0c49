from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from lapstrake_python.testing import answer, load_model, request
from mlserver import MLModel
from mlserver.errors import InferenceError, MLServerError

CLASS = "lapstrake_tensorflow.TensorFlowModel"


class Table(tf.Module):
    """Looks rows up: a number out of range is the client's fault, and only the graph knows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
        self.words = tf.constant(["one", "two"])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="row")])
    def look(self, row: tf.Tensor) -> dict[str, tf.Tensor]:
        index = tf.debugging.assert_less(row, tf.constant(2, tf.int64), "there are two rows")
        with tf.control_dependencies([index] if index is not None else []):
            return {"values": tf.gather(self.rows, row), "word": tf.gather(self.words, row)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def lengths(self, text: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.strings.length(text), tf.bfloat16)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    table = Table()
    signatures = {"serving_default": table.look, "lengths": table.lengths}
    tf.saved_model.save(table, str(folder / "saved"), signatures=signatures)
    return folder


async def loaded(folder: Path, **extra: object) -> MLModel:
    return await load_model(folder, CLASS, "./saved", **extra)


async def test_it_answers_and_says_what_it_takes(saved: Path) -> None:
    model = await loaded(saved)
    found = await answer(model, row=np.array([1, 0]))
    assert found == {"values": [3.0, 4.0, 1.0, 2.0], "word": ["two", "one"]}
    about = await model.metadata()
    assert [(t.name, t.datatype, t.shape) for t in about.inputs or []] == [("row", "INT64", [-1])]
    assert [(t.name, t.datatype, t.shape) for t in about.outputs or []] == [
        ("values", "FP32", [-1, 2]),
        ("word", "BYTES", [-1]),
    ]
    await model.unload()
    with pytest.raises(InferenceError, match="is not loaded"):
        await answer(model, row=np.array([1]))


async def test_another_signature_with_text_and_bfloat16(saved: Path) -> None:
    model = await loaded(saved, signature="lengths")
    assert await answer(model, text=["keel", "größe"]) == {"output_0": [4.0, 7.0]}


async def test_what_the_graph_cannot_take_is_the_clients_fault(saved: Path) -> None:
    model = await loaded(saved)
    with pytest.raises(InferenceError, match="there are two rows") as caught:
        await model.predict(request(row=np.array([7])))
    assert caught.value.status_code == 400
    with pytest.raises(InferenceError, match="'row': it is FP64, and the model takes INT64"):
        await model.predict(request(row=np.array([1.5])))


async def test_models_that_cannot_be_loaded_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(MLServerError, match=r"no signature other; its signatures are lengths"):
        await loaded(saved, signature="other")
    (tmp_path / "saved").mkdir()
    with pytest.raises(MLServerError, match=r"the folder has no saved_model\.pb"):
        await loaded(tmp_path)
    (tmp_path / "saved/saved_model.pb").write_bytes(b"no model")
    with pytest.raises(MLServerError, match="can't be loaded from") as got:
        await loaded(tmp_path)
    assert got.value.status_code == 422
