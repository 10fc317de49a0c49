"""CUDA in a lock: an index's own wheels, resolved by uv."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lapstrake.definition.load import load
from lapstrake.errors import UserError
from lapstrake.fetch.uv import Target, Uv
from lapstrake.lock.check import stale
from lapstrake.lock.demand import demands
from lapstrake.lock.inputs import lock_inputs
from lapstrake.lock.model import Lock
from lapstrake.lock.wheels import resolve
from support.tiny import wheel

Write = Callable[..., Path]
TARGET = Target("3.11.2", "2.36", "linux/amd64")
FILES = {
    "lapstrake.yaml": "name: fam\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [python3]}\n",
    "images/c/image.yaml": 'extends: base\ncuda: {version: "12.4"}\n',
}


@pytest.fixture
def _index(links: Path) -> None:
    for version in ("12.4.0", "12.4.1", "12.6.0"):
        exact = f"nvidia-cuda-runtime-cu12=={version}; extra == 'cudart'"
        wheel(links, "cuda_toolkit", version, [exact], extras=["cudart"])
        wheel(links, "nvidia_cuda_runtime_cu12", version)
    wheel(links, "torch", "1.0", ["nvidia-cuda-runtime-cu12==12.4.0"])


def versions(root: Path) -> dict[str, str]:
    (demand,) = demands(load(root))
    found = resolve(demand, None, (), Uv(TARGET), lambda _: None)
    return {w.name: w.version for w in found.wheels}


@pytest.mark.usefixtures("_index")
def test_the_newest_release_of_a_version_with_its_own_parts(write: Write) -> None:
    assert versions(write(FILES)) == {
        "cuda-toolkit": "12.4.1",
        "nvidia-cuda-runtime-cu12": "12.4.1",
    }


@pytest.mark.usefixtures("_index")
def test_the_wheels_that_torch_needs_are_those_of_cuda(write: Write) -> None:
    text = FILES["images/c/image.yaml"] + "python: {requirements: [torch]}\n"
    found = versions(write({**FILES, "images/c/image.yaml": text}))
    assert found == {"cuda-toolkit": "12.4.0", "nvidia-cuda-runtime-cu12": "12.4.0", "torch": "1.0"}


@pytest.mark.usefixtures("_index")
def test_a_version_without_wheels_is_one_clear_line(write: Write) -> None:
    root = write({**FILES, "images/c/image.yaml": 'extends: base\ncuda:\n  version: "12.7"\n'})
    with pytest.raises(UserError) as caught:
        versions(root)
    assert caught.value.message == "images/c/image.yaml:3: there are no wheels of CUDA 12.7 (base)"
    assert "cuda-toolkit" in caught.value.hint


@pytest.mark.usefixtures("_index")
def test_a_torch_of_another_cuda_names_both_lines(write: Write) -> None:
    text = 'extends: base\npython:\n  requirements:\n    - torch\ncuda: {version: "12.6"}\n'
    with pytest.raises(UserError) as caught:
        versions(write({**FILES, "images/c/image.yaml": text}))
    assert caught.value.message.startswith(
        "images/c/image.yaml:5: CUDA 12.6 (base) can't go with the requirements before"
    )


def test_another_version_makes_a_lock_stale(write: Write) -> None:
    old = lock_inputs(load(write(FILES)))
    lock = Lock(
        platform="linux/amd64", epoch=0, roots={}, apt={}, images={}, resolutions={}, inputs=old
    )
    newer = FILES["images/c/image.yaml"].replace("12.4", "12.6")
    assert stale(load(write({**FILES, "images/c/image.yaml": newer})), lock) == [
        "images/c: cuda added cuda-toolkit[cudart]==12.6.*",
        "images/c: cuda removed cuda-toolkit[cudart]==12.4.*",
    ]
