"""Exports and scripts two small networks for the smoke test, and notes PyTorch's own answers.

Runs in the image's Python, as `model.py OUT`; see docs/smoke.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

EXPORTED, SCRIPTED = "smoke-torch", "smoke-torchscript"


class Network(torch.nn.Module):
    """Two outputs by name, of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
        )

    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> dict[str, torch.Tensor]:
        score = self.layers(x) * scale
        return {"score": score, "kind": score.argmax(dim=1)}


def main(out: Path) -> None:
    """Write OUT/smoke-torch/ (an exported program) and OUT/smoke-torchscript/."""
    torch.manual_seed(0)
    network, linear = Network().eval(), torch.nn.Linear(4, 2).eval()
    x, scale = torch.randn(5, 4), torch.tensor([0.5])
    rows = torch.export.Dim("rows", min=1, max=1024)
    program = torch.export.export(network, (x, scale), dynamic_shapes=({0: rows}, None))
    folder = out / EXPORTED
    folder.mkdir(parents=True)
    torch.export.save(program, folder / "model.pt2")
    with torch.inference_mode():
        answer = network(x, scale)
    write(folder, "model.pt2", {"x": x, "scale": scale}, answer)
    folder = out / SCRIPTED
    folder.mkdir(parents=True)
    torch.jit.script(linear).save(str(folder / "model.pt"))
    with torch.inference_mode():
        answer = {"output": linear(x)}
    write(folder, "model.pt", {"input": x}, answer)


def write(
    folder: Path, file: str, inputs: dict[str, torch.Tensor], outputs: dict[str, torch.Tensor]
) -> None:
    """Settings, the request and the expected answer."""
    settings = {
        "name": folder.name,
        "implementation": "lapstrake_torch.TorchModel",
        "parameters": {"uri": f"./{file}"},
    }
    request = {
        "inputs": [
            {
                "name": name,
                "shape": list(tensor.shape),
                "datatype": "FP32",
                "data": tensor.flatten().tolist(),
            }
            for name, tensor in inputs.items()
        ]
    }
    expected = [{"name": n, "data": t.tolist()} for n, t in outputs.items()]
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "expected.json").write_text(json.dumps({"request": request, "outputs": expected}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
