"""Writes a small PMML model for the smoke test, and notes JPMML's own answer.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from jpmml_evaluator import make_evaluator

NAME = "smoke-pmml"

# Which boats go out: a tree over a number and a word, with the probability of its answer.
PMML = """<?xml version="1.0" encoding="UTF-8"?>
<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4">
  <Header/>
  <DataDictionary>
    <DataField name="wind" optype="continuous" dataType="double"/>
    <DataField name="hull" optype="categorical" dataType="string">
      <Value value="lapstrake"/>
      <Value value="carvel"/>
    </DataField>
    <DataField name="go" optype="categorical" dataType="string">
      <Value value="yes"/>
      <Value value="no"/>
    </DataField>
  </DataDictionary>
  <TreeModel functionName="classification" splitCharacteristic="binarySplit">
    <MiningSchema>
      <MiningField name="wind"/>
      <MiningField name="hull"/>
      <MiningField name="go" usageType="target"/>
    </MiningSchema>
    <Output>
      <OutputField name="probability(yes)" optype="continuous" dataType="double"
                   feature="probability" value="yes"/>
    </Output>
    <Node id="0">
      <True/>
      <Node id="1" score="yes">
        <SimplePredicate field="wind" operator="lessThan" value="5.5"/>
        <ScoreDistribution value="yes" recordCount="9"/>
        <ScoreDistribution value="no" recordCount="1"/>
      </Node>
      <Node id="2">
        <SimplePredicate field="wind" operator="greaterOrEqual" value="5.5"/>
        <Node id="3" score="yes">
          <SimplePredicate field="hull" operator="equal" value="lapstrake"/>
          <ScoreDistribution value="yes" recordCount="3"/>
          <ScoreDistribution value="no" recordCount="1"/>
        </Node>
        <Node id="4" score="no">
          <SimplePredicate field="hull" operator="notEqual" value="lapstrake"/>
          <ScoreDistribution value="yes" recordCount="1"/>
          <ScoreDistribution value="no" recordCount="7"/>
        </Node>
      </Node>
    </Node>
  </TreeModel>
</PMML>
"""


def main(out: Path) -> None:
    """Write OUT/smoke-pmml/: the model, its settings, a request and the answer to it."""
    folder = out / NAME
    folder.mkdir(parents=True)
    path = folder / "model.pmml"
    path.write_text(PMML)
    wind, hull = [2.0, 7.5, 7.5], ["carvel", "lapstrake", "carvel"]
    own = make_evaluator(path).evaluateAll(pd.DataFrame({"wind": wind, "hull": hull}))
    settings = {
        "name": NAME,
        "implementation": "lapstrake_pmml.PmmlModel",
        "parameters": {"uri": "./model.pmml"},
    }
    request = {
        "inputs": [
            {"name": "wind", "shape": [3], "datatype": "FP64", "data": wind},
            {"name": "hull", "shape": [3], "datatype": "BYTES", "data": hull},
        ]
    }
    outputs = [{"name": n, "data": own[n].tolist()} for n in ("go", "probability(yes)")]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": outputs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
