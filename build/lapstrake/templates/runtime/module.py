"""The $name runtime: what MLServer calls to load a model and to answer a request."""

from __future__ import annotations

import json
from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri


class $cls(MLModel):
    """A linear function, read from a JSON file: the place for your own model."""

    async def load(self) -> bool:
        """Read the model's file, which model-settings.json names."""
        uri = await get_model_uri(self._settings)
        self._weights = json.loads(Path(uri).read_text())
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One number for each row of the first input."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        answer = rows @ self._weights["slope"] + self._weights["offset"]
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output(name="predict", payload=answer)],
        )
