"""What no single file shows of an image's CUDA."""

from __future__ import annotations

from collections.abc import Iterator

from lapstrake.definition.repository import ImageDef, Repository
from lapstrake.errors import Problem

_NO_NVCC = "from 13.0 on wheels have it; or take `runtime`, or one of NVIDIA's images as the root"


def check_cuda(repo: Repository, image: ImageDef) -> Iterator[Problem]:
    """An image's own `cuda` beside those of the images below it; references must be sound."""
    spec = image.spec.cuda
    if spec is None:
        return
    if spec.lacks_nvcc:
        text = f"NVIDIA's wheels of CUDA {spec.version} have no nvcc, so there is no devel of them"
        yield image.problem(text, "cuda", "flavour", hint=_NO_NVCC)
    first = repo.ancestry(image.name)[0].spec.root
    if spec.source == "root" and (first is None or first.image is None):
        text = "cuda.source is root, but the root is no image"
        yield image.problem(text, "cuda", "source", hint="leave `source` out, or name a root image")
    for below in repo.ancestry(image.name)[:-1]:
        other = below.spec.cuda
        if other is not None and (other.version, other.source) != (spec.version, spec.source):
            text = f"{image.name} has CUDA {spec.version} over {other.version} of {below.name}"
            yield image.problem(text, "cuda", "version", hint="an image can have one alone")
    if repo.family.platform != "linux/amd64":
        yield image.problem("CUDA is laid out for linux/amd64 alone", "cuda")
