"""The runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lapstrake_python import CannotLoad, Signature, TensorModel
from mlserver.errors import InferenceError

from lapstrake_torch.program import Program, load, named

Array = np.ndarray[Any, np.dtype[Any]]


class TorchModel(TensorModel):
    """An exported program or a TorchScript module; README.md says what the settings may have."""

    files = ("model.pt2", "model.pt", "model.ts")

    _program: Program | None = None
    _device: torch.device = torch.device("cpu")

    def open(self, path: Path) -> Signature:
        """Load the file onto the device."""
        if path.is_dir():
            raise CannotLoad(self.name, path, f"the folder has none of {', '.join(self.files)}")
        usual = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = torch.device(self.option("device", "") or usual)
        self._program = load(path, self._device)
        return Signature(self._program.inputs, self._program.outputs)

    def run(self, inputs: dict[str, Array], wanted: Sequence[str]) -> Mapping[str, object]:
        """Call the model; what it says of lengths that don't go together is the client's to know.

        PyTorch raises one kind of error for all that; memory that runs out is another.
        """
        del wanted
        program = self._program
        if program is None:
            raise InferenceError(f"{self.name} is not loaded")
        tensors = {n: self._tensor(n, a, program) for n, a in inputs.items()}
        try:
            with torch.inference_mode():
                found = program.call(tensors)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError, IndexError, TypeError) as error:
            raise InferenceError(_last_words(error)) from error
        return {name: _array(tensor) for name, tensor in named(found).items()}

    def close(self) -> None:
        """Let go of the model, and give the GPU's memory back."""
        self._program = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _tensor(self, name: str, array: Array, program: Program) -> torch.Tensor:
        if array.dtype == object:
            raise InferenceError(f"input {name!r}: PyTorch has no tensors of text")
        # a copy: what the request is decoded to may not be writable
        tensor = torch.from_numpy(np.array(array))
        return tensor.to(self._device, program.types.get(name, tensor.dtype))


def _array(tensor: torch.Tensor) -> Array:
    on_host = tensor.detach().cpu()
    if on_host.dtype is torch.bfloat16:
        on_host = on_host.float()
    found: Array = on_host.numpy()
    return found


def _last_words(error: Exception) -> str:
    """One sentence: TorchScript puts a trace of its own before what went wrong."""
    text = str(error)
    _, mark, after = text.rpartition("RuntimeError: ")
    lines = [x.strip() for x in (after if mark else text).splitlines() if x.strip()]
    return lines[0] if lines else type(error).__name__
