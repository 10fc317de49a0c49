"""Models for the tests: a folder with a class and settings, loaded as the server loads them."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from lapstrake_python.testing import load_model
from mlserver.model import MLModel

Load = Callable[..., Awaitable[MLModel]]


@pytest.fixture
async def load(tmp_path: Path) -> AsyncIterator[Load]:
    """`await load(code, class=…, arguments=…)`: a loaded model whose model.py has that code."""
    loaded: list[MLModel] = []

    async def act(code: str, *, uri: str = "./model.py", **extra: object) -> MLModel:
        folder = tmp_path / f"model-{len(loaded)}"
        folder.mkdir(exist_ok=True)
        (folder / "model.py").write_text(textwrap.dedent(code))
        loaded.append(await load_model(folder, "lapstrake_python.PythonModel", uri, **extra))
        return loaded[-1]

    yield act
    for model in loaded:
        await model.unload()
