from __future__ import annotations

import json
from pathlib import Path

import mlserver_xgboost
import numpy as np
import pytest
import xgboost
from lapstrake_xgboost import XGBoostModel
from lapstrake_xgboost.model import gpus
from mlserver.errors import MLServerError
from mlserver.settings import ModelParameters, ModelSettings
from mlserver.types import InferenceRequest, RequestInput, RequestOutput


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(100, 2)).astype(np.float32)


def made(path: Path, model: xgboost.XGBModel, rows: np.ndarray) -> XGBoostModel:
    model.fit(rows, (rows[:, 0] > rows[:, 1]).astype(int))
    model.save_model(path / "model.json")
    return loaded(path)


def loaded(path: Path, **extra: object) -> XGBoostModel:
    parameters = ModelParameters(uri=str(path / "model.json"), extra=extra)
    return XGBoostModel(ModelSettings(name="m", implementation=XGBoostModel, parameters=parameters))


def asked(rows: np.ndarray, *outputs: str) -> InferenceRequest:
    one = RequestInput(name="x", shape=[*rows.shape], datatype="FP32", data=rows.ravel().tolist())
    return InferenceRequest(inputs=[one], outputs=[RequestOutput(name=n) for n in outputs] or None)


def device(model: XGBoostModel) -> str:
    config = json.loads(model._model.get_booster().save_config())
    return str(config["learner"]["generic_param"]["device"])


async def test_a_regression_answers_as_xgboost_does(tmp_path: Path, rows: np.ndarray) -> None:
    own = xgboost.XGBRegressor(n_estimators=5)
    model = made(tmp_path, own, rows)
    assert await model.load()
    assert device(model) == ("cuda:0" if gpus() else "cpu")
    found = await model.predict(asked(rows[:5]))
    assert np.allclose(found.outputs[0].data, own.predict(rows[:5]), atol=1e-5)


async def test_a_classifier_has_its_shares(tmp_path: Path, rows: np.ndarray) -> None:
    own = xgboost.XGBClassifier(n_estimators=5)
    model = made(tmp_path, own, rows)
    assert await model.load()
    found = await model.predict(asked(rows[:5], "predict_proba"))
    assert np.allclose(
        np.reshape(found.outputs[0].data, (5, 2)), own.predict_proba(rows[:5]), atol=1e-5
    )


async def test_a_device_by_name(tmp_path: Path, rows: np.ndarray) -> None:
    made(tmp_path, xgboost.XGBRegressor(n_estimators=2), rows)
    model = loaded(tmp_path, device="cpu")
    assert await model.load()
    assert device(model) == "cpu"


@pytest.mark.parametrize(
    ("wanted", "said"), [("gpu", "'gpu' is no device"), ("cuda:99", "there is no cuda:99")]
)
async def test_a_device_that_isnt_there(
    tmp_path: Path, rows: np.ndarray, wanted: str, said: str
) -> None:
    made(tmp_path, xgboost.XGBRegressor(n_estimators=2), rows)
    with pytest.raises(MLServerError, match=said):
        await loaded(tmp_path, device=wanted).load()


async def test_mlservers_own_leaves_it_at_the_cpu(tmp_path: Path, rows: np.ndarray) -> None:
    """What this is for: if that changes, it isn't needed any more."""
    made(tmp_path, xgboost.XGBRegressor(n_estimators=2, device="cuda"), rows)
    file = json.loads((tmp_path / "model.json").read_text())
    assert "generic_param" not in file["learner"]  # where XGBoost's configuration has the device
    theirs = mlserver_xgboost.XGBoostModel(loaded(tmp_path).settings)
    assert await theirs.load()
    assert device(theirs) == "cpu"
