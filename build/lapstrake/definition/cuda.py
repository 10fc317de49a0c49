"""CUDA in an image: which version, how much of it, and NVIDIA's wheels that make it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from lapstrake.definition.part import Part

Flavour = Literal["base", "runtime", "cudnn-runtime", "devel"]

# The wheel that says which versions of NVIDIA's other wheels are one release of CUDA.
TOOLKIT = "cuda-toolkit"

# What NVIDIA's own images of the same flavour hold, by the extras of that wheel.
_BASE = ("cudart",)
_RUNTIME = (
    *_BASE,
    *("cublas", "cufft", "curand", "cusolver", "cusparse", "npp"),
    *("nvfatbin", "nvjitlink", "nvjpeg", "nvrtc", "nvtx"),
)
_DEVEL = (*_RUNTIME, "cccl", "crt", "cupti", "nvcc", "nvml", "nvptxcompiler", "nvvm", "profiler")
_EXTRAS: dict[Flavour, tuple[str, ...]] = {
    "base": _BASE,
    "runtime": _RUNTIME,
    "cudnn-runtime": _RUNTIME,
    "devel": _DEVEL,
}

# The first release whose wheels have nvcc itself; those before have a part of what it calls.
_FIRST_NVCC = 13


def cuda_version(value: str) -> str:
    """A version of CUDA as its folder has it: `12.4`."""
    if not re.fullmatch(r"[1-9][0-9]\.[0-9]{1,2}", value):
        msg = f"{value!r} is no version of CUDA (such as 12.4, in quotes)"
        raise ValueError(msg)
    return value


class CudaSpec(Part):
    """NVIDIA's CUDA in `/usr/local/cuda`."""

    version: Annotated[str, AfterValidator(cuda_version), WithJsonSchema({"type": "string"})] = (
        Field(description="such as `12.4`, in quotes; the lock settles the rest of it")
    )
    flavour: Flavour = Field(
        default="base",
        description="how much of it: `base` has the runtime library; `runtime` the mathematical "
        "ones and NCCL, too; `cudnn-runtime` adds cuDNN to them, `devel` nvcc and headers",
    )
    source: Literal["wheels", "root"] = Field(
        default="wheels",
        description="`wheels`: those that NVIDIA publishes; `root`: the root is an image that has "
        "it, such as NVIDIA's own",
    )

    @property
    def major(self) -> int:
        """The 12 of 12.4: what the names of NVIDIA's wheels end with."""
        return int(self.version.partition(".")[0])

    @property
    def lacks_nvcc(self) -> bool:
        """Whether it asks wheels for a compiler that no wheel of that version has."""
        return self.flavour == "devel" and self.source == "wheels" and self.major < _FIRST_NVCC

    @property
    def requirements(self) -> tuple[str, ...]:
        """The wheels as PEP 508 requirements; none where the root has CUDA."""
        if self.source != "wheels":
            return ()
        extras = ",".join(sorted(_EXTRAS[self.flavour]))
        found = [f"{TOOLKIT}[{extras}]=={self.version}.*"]
        if self.flavour != "base":
            found.append(f"nvidia-nccl-cu{self.major}")
        if self.flavour == "cudnn-runtime":
            found.append(f"nvidia-cudnn-cu{self.major}")
        return tuple(found)

    def __str__(self) -> str:
        return f"CUDA {self.version} ({self.flavour})"
