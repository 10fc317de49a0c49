"""What MLServer calls: requests as arrays for the model, and its arrays as answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri

from $module.model import Model


class $cls(MLModel):
    """Serves `Model`."""

    async def load(self) -> bool:
        """Load the model from the file that model-settings.json names."""
        self._model = Model(Path(await get_model_uri(self.settings)))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request; what the model can't take is the client's mistake (a 400)."""
        try:
            inputs = {i.name: NumpyCodec.decode_input(i) for i in payload.inputs}
            outputs = self._model.predict(**inputs)
        except (TypeError, ValueError) as error:
            raise InferenceError(str(error)) from error
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output(n, np.asarray(v)) for n, v in outputs.items()],
        )
