from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lapstrake_python.testing import answer, load_model, request
from mlserver import MLModel
from mlserver.errors import InferenceError, MLServerError

CLASS = "lapstrake_torch.TorchModel"


class Pair(torch.nn.Module):
    """Two outputs as a tuple, of one positional input and one by name."""

    def forward(
        self, x: torch.Tensor, *, weight: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return x @ weight, x.sum().to(torch.bfloat16)


class Product(torch.nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"product": left @ right}


class Scaled(torch.nn.Module):
    def forward(self, x: torch.Tensor, scale: torch.Tensor | None = None) -> torch.Tensor:
        return x if scale is None else x * scale


def export(path: Path, module: torch.nn.Module, *args: Any, **options: Any) -> Path:
    torch.export.save(torch.export.export(module, args, **options), path)
    return path


def pair(path: Path) -> Path:
    rows = torch.export.Dim("rows", min=1, max=64)
    return export(
        path,
        Pair(),
        torch.ones(2, 3),
        kwargs={"weight": torch.ones(3, 2)},
        dynamic_shapes={"x": {0: rows}, "weight": None},
    )


def ones(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.ones(shape, np.float32)


async def loaded(path: Path, **extra: object) -> MLModel:
    return await load_model(path.parent, CLASS, f"./{path.name}", **{"device": "cpu", **extra})


async def test_an_exported_program_answers_for_any_number_of_rows(tmp_path: Path) -> None:
    model = await loaded(pair(tmp_path / "model.pt2"))
    x, weight = np.arange(12, dtype=np.float32).reshape(4, 3), ones(3, 2)
    found = await answer(model, x=x, weight=weight)
    own = Pair()(torch.from_numpy(x), weight=torch.from_numpy(weight))
    assert found == {"output_0": own[0].flatten().tolist(), "output_1": [float(own[1])]}
    await model.unload()
    with pytest.raises(InferenceError, match="is not loaded"):
        await answer(model, x=x, weight=weight)


async def test_an_exported_program_says_what_it_takes(tmp_path: Path) -> None:
    about = await (await loaded(pair(tmp_path / "model.pt2"))).metadata()
    assert [(t.name, t.datatype, t.shape) for t in about.inputs or []] == [
        ("x", "FP32", [-1, 3]),
        ("weight", "FP32", [3, 2]),
    ]
    assert [(t.name, t.datatype, t.shape) for t in about.outputs or []] == [
        ("output_0", "FP32", [-1, 2]),
        ("output_1", "FP32", []),
    ]


async def test_outputs_of_a_dict_have_its_keys(tmp_path: Path) -> None:
    path = export(tmp_path / "model.pt2", Product(), torch.ones(2, 2), torch.ones(2, 2))
    model = await loaded(path)
    assert [t.name for t in (await model.metadata()).outputs or []] == ["product"]
    found = await answer(model, left=ones(2, 2), right=ones(2, 2))
    assert found == {"product": [2.0, 2.0, 2.0, 2.0]}


async def test_torchscript_says_its_names_and_the_settings_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.jit.script(Scaled()).save(str(path))
    model = await loaded(path)
    assert await answer(model, x=ones(2)) == {"output": [1.0, 1.0]}
    assert await answer(model, x=ones(2), scale=ones(1) * 3) == {"output": [3.0, 3.0]}
    assert not (await model.metadata()).inputs
    with pytest.raises(InferenceError, match="no input 'y'; its inputs are x, scale"):
        await answer(model, y=ones(2))
    told = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}]}
    model = await load_model(tmp_path, CLASS, "./model.pt", told, device="cpu")
    assert await answer(model, x=ones(3)) == {"output": [1.0, 1.0, 1.0]}
    with pytest.raises(InferenceError, match=r"'x': its shape is \[1, 2\]"):
        await answer(model, x=ones(1, 2))


@pytest.mark.parametrize("kind", ["exported", "scripted"])
async def test_what_the_model_cannot_take_is_the_clients_fault(tmp_path: Path, kind: str) -> None:
    if kind == "scripted":
        path, said = tmp_path / "model.pt", r"mat1 and mat2|size mismatch|2x3|shapes"
        torch.jit.script(Product()).save(str(path))
    else:
        path, said = tmp_path / "model.pt2", r"'right': its shape is \[4, 2\]"
        export(path, Product(), torch.ones(2, 3), torch.ones(3, 2))
    model = await loaded(path)
    with pytest.raises(InferenceError, match=said) as caught:
        await model.predict(request(left=ones(2, 3), right=ones(4, 2)))
    assert caught.value.status_code == 400
    assert "\n" not in str(caught.value)
    with pytest.raises(InferenceError, match=r"text|BYTES"):
        await model.predict(request(left=["a"], right=["b"]))


async def test_more_rows_than_were_exported_for_are_refused(tmp_path: Path) -> None:
    model = await loaded(pair(tmp_path / "model.pt2"))
    with pytest.raises(InferenceError, match="64") as caught:
        await model.predict(request(x=ones(65, 3), weight=ones(3, 2)))
    assert caught.value.status_code == 400


async def test_models_that_cannot_be_loaded_are_named(tmp_path: Path) -> None:
    for name in ("broken.pt2", "broken.pt"):
        path = tmp_path / name
        path.write_bytes(b"no model")
        with pytest.raises(MLServerError, match=rf"can't be loaded from .*{name}") as got:
            await loaded(path)
        assert got.value.status_code == 422
    with pytest.raises(MLServerError, match="the folder has none of"):
        await load_model(tmp_path, CLASS, ".")
    with pytest.raises(MLServerError, match="can't be loaded"):
        await loaded(pair(tmp_path / "model.pt2"), device="abacus")


async def test_inputs_that_are_no_tensors_are_named(tmp_path: Path) -> None:
    class Repeat(torch.nn.Module):
        def forward(self, x: torch.Tensor, times: int) -> torch.Tensor:
            return x.repeat(times)

    path = tmp_path / "model.pt"
    torch.jit.script(Repeat()).save(str(path))
    with pytest.raises(MLServerError, match="its input times is int, no tensor"):
        await loaded(path)
