"""The runtime: one pipeline over text."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# A folder that lacks a file is an error, and no reason to ask a hub. Read by the imports below.
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from lapstrake_python import CannotLoad, Signature, TensorModel, TensorSpec
from mlserver.errors import InferenceError
from transformers import pipeline

Array = np.ndarray[Any, np.dtype[Any]]

_TEXT = np.dtype(object)
_INPUT = TensorSpec("text", _TEXT, (-1,))
_CONFIG = "config.json"
# The outputs of tasks that always have the same; those of others are seen in the answer.
_OUTPUTS: Mapping[str, tuple[TensorSpec, ...]] = {
    "text-classification": (
        TensorSpec("label", _TEXT, (-1,)),
        TensorSpec("score", np.dtype(np.float64), (-1,)),
    )
}


class HuggingFaceModel(TensorModel):
    """A pipeline; README.md says what the settings may have."""

    _pipeline: Any = None
    _arguments: Mapping[str, Any] = {}

    def open(self, path: Path) -> Signature:
        """Make the pipeline of the folder's model and tokenizer."""
        if not (path / _CONFIG).is_file():
            raise CannotLoad(self.name, path, f"the folder has no {_CONFIG}")
        task = self.option("task", "")
        if not task:
            raise CannotLoad(self.name, path, "its settings have no extra.task")
        self._arguments = self.option("arguments", {})
        usual = "cuda" if torch.cuda.is_available() else "cpu"
        self._pipeline = pipeline(
            task,
            model=str(path),
            tokenizer=str(path),
            device=torch.device(self.option("device", "") or usual),
            trust_remote_code=False,
        )
        told = None if self._arguments else _OUTPUTS.get(task)
        return Signature((_INPUT,), told)

    def run(self, inputs: dict[str, Array], wanted: Sequence[str]) -> Mapping[str, object]:
        """Ask the pipeline for all texts at once."""
        del wanted
        if self._pipeline is None:
            raise InferenceError(f"{self.name} is not loaded")
        texts = inputs["text"].tolist()
        if odd := [t for t in texts if not isinstance(t, str)]:
            raise InferenceError(f"input 'text': {odd[0]!r} is no UTF-8")
        with torch.inference_mode():
            found = self._pipeline(texts, **self._arguments) if texts else []
        return outputs([_only(answer) for answer in found])

    def close(self) -> None:
        """Let go of the model, and give the GPU's memory back."""
        on_gpu = self._pipeline is not None and self._pipeline.device.type == "cuda"
        self._pipeline = None
        if on_gpu:
            torch.cuda.empty_cache()


def _only(answer: object) -> object:
    """Some tasks answer each text with a list of candidates, of which there is one."""
    return answer[0] if isinstance(answer, list) and len(answer) == 1 else answer


def outputs(answers: Sequence[object]) -> dict[str, object]:
    """An output for each key where all answers have the same keys and plain values; else JSON."""
    rows = [a for a in answers if isinstance(a, dict) and _is_plain(a)]
    if rows and len(rows) == len(answers) and all(r.keys() == rows[0].keys() for r in rows):
        return {key: np.array([_value(r[key]) for r in rows]) for key in rows[0]}
    documents = [json.dumps(a, default=_value, ensure_ascii=False) for a in answers]
    return {"json": np.array(documents, dtype=object)}


def _is_plain(answer: Mapping[str, object]) -> bool:
    return all(isinstance(_value(v), str | int | float) for v in answer.values())


def _value(value: Any) -> Any:
    """Numbers and arrays of numpy and PyTorch as Python's own."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray | torch.Tensor) else value
