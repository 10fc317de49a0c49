"""`cuda:` in a definition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lapstrake.definition.cuda import CudaSpec
from lapstrake.definition.load import load
from lapstrake.errors import DefinitionError

Write = Callable[..., Path]

BASE = {
    "lapstrake.yaml": "name: fam\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [python3]}\n",
}


def said(write: Write, **images: str) -> list[str]:
    files = {f"images/{name}/image.yaml": text for name, text in images.items()}
    with pytest.raises(DefinitionError) as caught:
        load(write({**BASE, **files}))
    return [str(p) for p in caught.value.problems]


def test_a_flavour_is_a_set_of_nvidias_wheels() -> None:
    base = CudaSpec(version="12.4")
    assert base.requirements == ("cuda-toolkit[cudart]==12.4.*",)
    more = CudaSpec(version="12.4", flavour="cudnn-runtime").requirements
    assert more[0].startswith("cuda-toolkit[cublas,cudart,cufft,")
    assert more[1:] == ("nvidia-nccl-cu12", "nvidia-cudnn-cu12")
    devel = CudaSpec(version="13.0", flavour="devel").requirements
    assert "nvcc" in devel[0]
    assert devel[1:] == ("nvidia-nccl-cu13",)
    assert CudaSpec(version="12.4", source="root").requirements == ()


def test_the_nearest_cuda_is_an_images_own(write: Write) -> None:
    files = {
        **BASE,
        "images/c/image.yaml": 'extends: base\ncuda: {version: "12.8"}\n',
        "images/d/image.yaml": 'extends: c\ncuda: {version: "12.8", flavour: runtime}\n',
        "images/e/image.yaml": "extends: d\n",
    }
    repo = load(write(files))
    found = repo.cuda("e")
    assert found is not None
    assert found.flavour == "runtime"
    assert repo.cuda("base") is None


@pytest.mark.parametrize(
    ("cuda", "problem"),
    [
        ('{version: "12.4", flavour: full}', "2: cuda.flavour: input should be 'base', 'runtime'"),
        ("{version: 12.4}", "2: 'cuda.version' must be text"),
        ('{version: "12.4.1"}', "2: cuda.version: '12.4.1' is no version of CUDA"),
        ("{flavour: base}", "2: 'cuda.version' is missing"),
        ('{version: "12.4", flavour: devel}', "2: NVIDIA's wheels of CUDA 12.4 have no nvcc"),
        ('{version: "12.4", source: root}', "2: cuda.source is root, but the root is no image"),
    ],
)
def test_what_cant_be_is_one_line(write: Write, cuda: str, problem: str) -> None:
    found = said(write, c=f"extends: base\ncuda: {cuda}\n")
    assert len(found) == 1
    assert found[0].startswith(f"images/c/image.yaml:{problem}")


def test_an_image_has_one_cuda(write: Write) -> None:
    found = said(
        write,
        c='extends: base\ncuda: {version: "12.8"}\n',
        d='extends: c\ncuda: {version: "12.4"}\n',
    )
    assert found == ["images/d/image.yaml:2: d has CUDA 12.4 over 12.8 of c"]


def test_cuda_is_for_one_platform(write: Write) -> None:
    files = {**BASE, "lapstrake.yaml": "name: fam\nplatform: linux/arm64\n"}
    files["images/c/image.yaml"] = 'extends: base\ncuda: {version: "12.8"}\n'
    with pytest.raises(DefinitionError, match="CUDA is laid out for linux/amd64 alone"):
        load(write(files))
