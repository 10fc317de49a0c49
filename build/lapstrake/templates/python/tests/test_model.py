"""`python -m pytest`, where this project and pytest are installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from $module.model import Model


@pytest.fixture
def model(tmp_path: Path) -> Model:
    path = tmp_path / "weights.json"
    path.write_text(json.dumps({"slope": [2.0, -1.0], "offset": 0.5}))
    return Model(path)


def test_it_is_a_linear_function(model: Model) -> None:
    found = model.predict(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert found["predict"].tolist() == [0.5, 2.5]


def test_another_shape_is_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="shape"):
        model.predict(np.array([1.0]))
