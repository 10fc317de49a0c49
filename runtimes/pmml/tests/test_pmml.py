from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lapstrake_pmml.model import column
from lapstrake_python import TensorSpec
from lapstrake_python.testing import answer, load_model, request
from mlserver import MLModel
from mlserver.errors import InferenceError, MLServerError

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/>"""

# area = 2 · width + 1 · (hull is wide), and what it says of it as a whole number
REGRESSION = (
    HEAD
    + """
  <DataDictionary>
    <DataField name="width" optype="continuous" dataType="double"/>
    <DataField name="hull" optype="categorical" dataType="string">
      <Value value="wide"/><Value value="narrow"/>
    </DataField>
    <DataField name="area" optype="continuous" dataType="double"/>
  </DataDictionary>
  <RegressionModel functionName="regression">
    <MiningSchema>
      <MiningField name="width"/>
      <MiningField name="hull"/>
      <MiningField name="area" usageType="target"/>
    </MiningSchema>
    <Output>
      <OutputField name="plain" optype="continuous" dataType="double" feature="predictedValue"/>
      <OutputField name="rounded" optype="continuous" dataType="integer"
                   feature="transformedValue">
        <Apply function="if">
          <Apply function="isNotMissing"><FieldRef field="plain"/></Apply>
          <Apply function="round"><FieldRef field="plain"/></Apply>
        </Apply>
      </OutputField>
    </Output>
    <RegressionTable intercept="0">
      <NumericPredictor name="width" coefficient="2"/>
      <CategoricalPredictor name="hull" value="wide" coefficient="1"/>
    </RegressionTable>
    VERIFICATION
  </RegressionModel>
</PMML>"""
)

# An example that the model itself doesn't satisfy
VERIFICATION = """
    <ModelVerification recordCount="1" fieldCount="3">
      <VerificationFields>
        <VerificationField field="width" column="width"/>
        <VerificationField field="hull" column="hull"/>
        <VerificationField field="area" column="area" precision="0.001"/>
      </VerificationFields>
      <InlineTable>
        <row><width>1</width><hull>wide</hull><area>99</area></row>
      </InlineTable>
    </ModelVerification>"""


async def loaded(folder: Path, text: str = "", **extra: object) -> MLModel:
    text = text or REGRESSION.replace("VERIFICATION", "")
    (folder / "model.pmml").write_text(text)
    return await load_model(folder, "lapstrake_pmml.PmmlModel", "./model.pmml", **extra)


async def test_columns_go_in_and_columns_come_out(tmp_path: Path) -> None:
    model = await loaded(tmp_path)
    found = await answer(model, width=[1.0, 2.25], hull=["wide", "narrow"])
    assert found == {"area": [3.0, 4.5], "plain": [3.0, 4.5], "rounded": [3, 5]}
    column = await answer(model, ["area"], width=[[1.0]], hull=[["wide"]])
    assert column == {"area": [3.0]}
    await model.unload()
    with pytest.raises(InferenceError, match="is not loaded"):
        await answer(model, width=[1.0], hull=["wide"])


async def test_the_model_says_what_it_takes(tmp_path: Path) -> None:
    about = await (await loaded(tmp_path)).metadata()
    assert [(t.name, t.datatype, t.shape) for t in about.inputs or []] == [
        ("width", "FP64", [-1]),
        ("hull", "BYTES", [-1]),
    ]
    assert [(t.name, t.datatype) for t in about.outputs or []] == [
        ("area", "FP64"),
        ("plain", "FP64"),
        ("rounded", "INT64"),
    ]


async def test_nan_is_a_missing_value_both_ways(tmp_path: Path) -> None:
    text = re.sub(r"(?s)<Output>.*</Output>", "", REGRESSION).replace("VERIFICATION", "")
    found = await answer(await loaded(tmp_path, text), width=[math.nan, 1.0], hull=["wide"] * 2)
    assert math.isnan(found["area"][0])
    assert found["area"][1] == 3.0


def test_integers_that_are_missing_are_floats_and_texts_are_empty() -> None:
    whole, text = TensorSpec("n", np.dtype(np.int64)), TensorSpec("t", np.dtype(object))
    assert column(whole, [1, 2]).dtype == np.int64
    assert column(whole, [1, None]).tolist()[0] == 1.0
    assert math.isnan(column(whole, [1, None])[1])
    assert column(text, ["a", None]).tolist() == ["a", ""]


async def test_two_models_share_a_jvm(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = await loaded(tmp_path / "one")
    doubled = REGRESSION.replace("VERIFICATION", "").replace('"2"', '"20"')
    two = await loaded(tmp_path / "two", doubled)
    assert await answer(one, ["area"], width=[1.0], hull=["wide"]) == {"area": [3.0]}
    await one.unload()
    assert await answer(two, ["area"], width=[1.0], hull=["wide"]) == {"area": [21.0]}


@pytest.mark.parametrize(
    ("width", "hull", "said"),
    [
        ([1.0], ["broad"], "row 0: .*hull"),
        ([1.0, 2.0], ["wide"], "different lengths: width 2, hull 1"),
        (["1"], ["wide"], "'width': it is BYTES, and the model takes FP64"),
        ([[1.0, 2.0]], ["wide"], r"'width': its shape is \[1, 2\]"),
    ],
)
async def test_rows_that_the_model_cannot_take_are_the_clients_fault(
    tmp_path: Path, width: list[object], hull: list[str], said: str
) -> None:
    model = await loaded(tmp_path)
    with pytest.raises(InferenceError, match=said) as caught:
        await model.predict(request(width=width, hull=hull))
    assert caught.value.status_code == 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no XML at all", "model.pmml: "),
        (HEAD + "<DataDictionary/></PMML>", "model.pmml: "),
        (REGRESSION.replace("VERIFICATION", VERIFICATION), "VerificationException|99"),
    ],
)
async def test_models_that_cannot_be_loaded_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(MLServerError, match=f"can't be loaded from .*({said})") as got:
        await loaded(tmp_path, text)
    assert got.value.status_code == 422


async def test_examples_need_not_be_checked(tmp_path: Path) -> None:
    model = await loaded(tmp_path, REGRESSION.replace("VERIFICATION", VERIFICATION), verify=False)
    assert await answer(model, ["area"], width=[1.0], hull=["wide"]) == {"area": [3.0]}


def test_a_process_ends_though_a_thread_that_started_java_has_ended_before() -> None:
    """As the server's workers do: to Java, such a thread is one to be waited for."""
    program = (
        "import threading, lapstrake_pmml.model as m\n"
        "thread = threading.Thread(target=m._backend)\n"
        "thread.start(); thread.join()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
