"""A model that answers with what it is sent."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Echo(MLModel):
    """Every input is an output."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The answer to a request."""
        outputs = [
            ResponseOutput(name=i.name, shape=i.shape, datatype=i.datatype, data=i.data)
            for i in payload.inputs
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
