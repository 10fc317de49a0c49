from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from lapstrake_python.testing import answer
from mlserver.errors import InferenceError, MLServerError

LINE = """
import numpy as np

class Line:
    inputs = [{"name": "x", "datatype": "FP64", "shape": [-1]}]
    outputs = [{"name": "y", "datatype": "FP64", "shape": [-1]}]

    def __init__(self, slope=1.0, offset=0.0):
        self.slope, self.offset = slope, offset

    def predict(self, x: np.ndarray) -> dict:
        return {"y": self.slope * x + self.offset}
"""


async def test_a_plain_class_answers_and_describes_itself(load: Any) -> None:
    model = await load(LINE, arguments={"slope": 2.0, "offset": 0.5})
    assert await answer(model, x=[1.0, 2.0]) == {"y": [2.5, 4.5]}
    about = await model.metadata()
    assert [(i.name, i.datatype, i.shape) for i in about.inputs] == [("x", "FP64", [-1])]
    assert [o.name for o in about.outputs] == ["y"]


async def test_arguments_say_what_the_inputs_are(load: Any) -> None:
    model = await load(
        """
        class Sum:
            def predict(self, a, b=0):
                return a + b
        """
    )
    assert await answer(model, a=[1.0], b=[2.0]) == {"predict": [3.0]}
    assert await answer(model, a=[1.0]) == {"predict": [1.0]}
    with pytest.raises(InferenceError, match="'a' is missing"):
        await answer(model, b=[1.0])
    with pytest.raises(InferenceError, match="no input 'c'; its inputs are a, b"):
        await answer(model, a=[1.0], c=[1.0])
    assert (await model.metadata()).inputs == []


async def test_a_class_may_take_any_input_and_give_text(load: Any) -> None:
    model = await load(
        """
        class Names:
            def predict(self, **inputs):
                return {name: [f"{name}: {len(x)}"] for name, x in inputs.items()}
        """
    )
    assert await answer(model, left=[1.0, 2.0]) == {"left": ["left: 2"]}


async def test_only_what_is_asked_for_is_answered(load: Any) -> None:
    model = await load(
        """
        class Both:
            def predict(self, x):
                return {"sum": x.sum(), "product": x.prod()}
        """
    )
    assert await answer(model, ("product",), x=[2.0, 3.0]) == {"product": [6.0]}
    with pytest.raises(InferenceError, match="no output 'mean'; its outputs are sum, product"):
        await answer(model, ("mean",), x=[1.0])


async def test_a_value_error_is_the_clients_and_others_are_not(load: Any) -> None:
    model = await load(
        """
        class Picky:
            def predict(self, x):
                if (x < 0).any():
                    raise ValueError("x is an age:\\n it can't be negative")
                raise RuntimeError("broken")
        """
    )
    with pytest.raises(InferenceError, match=r"^x is an age: it can't be negative$") as caught:
        await answer(model, x=[-1.0])
    assert caught.value.status_code == 400
    with pytest.raises(RuntimeError, match="broken"):
        await answer(model, x=[1.0])


async def test_unloading_closes_the_object_and_forgets_its_modules(
    load: Any, tmp_path: Path
) -> None:
    before = set(sys.modules)
    model = await load(
        f"""
        from pathlib import Path

        class Closing:
            def load(self, folder):
                self.told = folder
            def predict(self, x):
                return [str(self.told)]
            def close(self):
                Path({str(tmp_path / "closed")!r}).touch()
        """
    )
    assert await answer(model, x=[1.0]) == {"predict": [str(tmp_path / "model-0")]}
    await model.unload()
    assert (tmp_path / "closed").exists()
    assert not {m for m in set(sys.modules) - before if m.startswith("_lapstrake_model")}
    with pytest.raises(InferenceError, match="is not loaded"):
        await answer(model, x=[1.0])


async def test_two_models_have_modules_of_their_own(load: Any) -> None:
    one = await load(LINE, arguments={"slope": 1.0})
    two = await load(LINE.replace("self.slope * x", "self.slope * x * 10"))
    assert await answer(one, x=[1.0]) == {"y": [1.0]}
    assert await answer(two, x=[1.0]) == {"y": [10.0]}


async def test_a_package_may_have_modules_of_its_own(load: Any, tmp_path: Path) -> None:
    package = tmp_path / "model-0" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .parts import Twice\n")
    (package / "parts.py").write_text(
        "class Twice:\n    def predict(self, x):\n        return 2 * x\n"
    )
    model = await load("", uri="./package")
    assert await answer(model, x=[4.0]) == {"predict": [8.0]}


@pytest.mark.parametrize(
    ("code", "extra", "said"),
    [
        ("x = 1\n", {}, "one class with a method predict is wanted.*it has none"),
        (LINE + LINE.replace("Line", "Other"), {}, "it has Line, Other"),
        (LINE, {"class": "Missing"}, "it has no class Missing"),
        (LINE, {"arguments": {"tilt": 1}}, "unexpected keyword argument 'tilt'"),
        (LINE, {"arguments": [1]}, r"extra.arguments is \[1\], no dict"),
        ("import nothing_of_that_name\n", {}, "ModuleNotFoundError.*nothing_of_that_name"),
        ("def broken(:\n", {}, "SyntaxError"),
        (LINE.replace("FP64", "FLOAT"), {}, "its inputs"),
        ("class Empty:\n    pass\n", {"class": "Empty"}, "Empty has no method predict"),
    ],
)
async def test_what_cannot_be_loaded_is_named(
    load: Any, code: str, extra: dict[str, Any], said: str
) -> None:
    with pytest.raises(MLServerError, match=rf"(?s)^model-0 can't be loaded from .*{said}") as got:
        await load(code, **extra)
    assert got.value.status_code == 422


async def test_a_missing_file_is_named(load: Any) -> None:
    with pytest.raises(MLServerError, match=r"elsewhere\.py"):
        await load(LINE, uri="./elsewhere.py")
