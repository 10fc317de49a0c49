"""For the tests of runtimes: a model loaded as the server loads it, and requests of arrays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlserver import MLModel
from mlserver.settings import ModelSettings
from mlserver.types import InferenceRequest, RequestInput, RequestOutput

from lapstrake_python.tensors import datatype_of


async def load_model(
    folder: Path, implementation: str, uri: str, about: dict[str, Any] | None = None, **extra: Any
) -> MLModel:
    """Write `folder`/model-settings.json, and load the model from it; its name is the folder's.

    Args:
        folder: the model's folder, which is there.
        implementation: the runtime's class, such as `lapstrake_python.PythonModel`.
        uri: the model's file, relative to the folder.
        about: more settings, such as `inputs`.
        extra: what `parameters.extra` has.
    """
    written = {
        **(about or {}),
        "name": folder.name,
        "implementation": implementation,
        "parameters": {"uri": uri, "extra": extra},
    }
    file = folder / "model-settings.json"
    file.write_text(json.dumps(written))
    settings = ModelSettings.parse_file(str(file))
    model: MLModel = settings.implementation(settings)
    try:
        model.ready = await model.load()
    except Exception:
        await model.unload()  # as the server does
        raise
    return model


def request(wanted: Sequence[str] = (), **arrays: Any) -> InferenceRequest:
    """A request with an input for each array (or list, or number), of the array's own type."""
    return InferenceRequest(
        inputs=[_input(name, np.asarray(value)) for name, value in arrays.items()],
        outputs=[RequestOutput(name=name) for name in wanted] or None,
    )


def _input(name: str, array: np.ndarray[Any, np.dtype[Any]]) -> RequestInput:
    return RequestInput(
        name=name,
        shape=list(array.shape),
        datatype=datatype_of(array.dtype, name),
        data=array.ravel().tolist(),
    )


async def answer(model: MLModel, wanted: Sequence[str] = (), **arrays: Any) -> dict[str, list[Any]]:
    """The values of a model's outputs by name, flat; text as `str`."""
    found = await model.predict(request(wanted, **arrays))
    return {o.name: [_value(v) for v in o.data] for o in found.outputs}


def _value(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
