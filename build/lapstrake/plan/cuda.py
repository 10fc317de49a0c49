"""What an image with CUDA has besides NVIDIA's wheels: links, the loader's list, variables, tag."""

from __future__ import annotations

import json
from collections.abc import Iterable

from lapstrake.definition.cuda import TOOLKIT, CudaSpec
from lapstrake.dist import BuiltCuda, Token
from lapstrake.layers.cuda_links import toolkit
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.lock.model import Resolution, Wheel

# Where NVIDIA's container toolkit mounts the driver's programs and libraries.
_DRIVER = "/usr/local/nvidia"
_TARGET = "targets/x86_64-linux"

PATH = (f"{_DRIVER}/bin", "/usr/local/cuda/bin")
_LIBRARIES = (f"{_DRIVER}/lib", f"{_DRIVER}/lib64", "/usr/local/cuda/lib64")


def locked_version(wheels: Iterable[Wheel]) -> str:
    """The release of CUDA that some locked wheels are, such as `12.4.1`; empty where none."""
    found = next((w.version for w in wheels if w.name == TOOLKIT), "")
    return ".".join(found.split(".")[:3])


def folder_version(found: Resolution) -> str:
    """The version of the toolkit's folder that a resolution's wheels make, such as `12.4`.

    It is that of the lock, not of an image: so an image that has NVIDIA's wheels for torch alone
    shares their layers with one that asks for CUDA.
    """
    return ".".join(locked_version(found.wheels).split(".")[:2])


def built_cuda(spec: CudaSpec | None, wheels: Iterable[Wheel]) -> BuiltCuda | None:
    """What build.json says of an image's CUDA."""
    if spec is None:
        return None
    exact = locked_version(wheels) if spec.source == "wheels" else spec.version
    return BuiltCuda(
        version=exact or spec.version, flavour=spec.flavour, source=spec.source, folder=spec.version
    )


def files_layer(cuda: BuiltCuda) -> Files:
    """The links above the toolkit's folder, what the loader reads, and the version.

    It is one layer for all images of a version.
    """
    top = f"/{toolkit(cuda.folder)}"
    name = toolkit(cuda.folder).rpartition("/")[2]
    about = {"cuda": {"name": "CUDA SDK", "version": cuda.version}}
    entries = (
        # before the OS's own: the driver's libraries win over a stub of an apt package
        _text("/etc/ld.so.conf.d/000_cuda.conf", "/usr/local/cuda/lib64\n"),
        _text("/etc/ld.so.conf.d/nvidia.conf", f"{_DRIVER}/lib\n{_DRIVER}/lib64\n"),
        _link("/usr/local/cuda", name),
        _text(f"{top}/version.json", json.dumps(about, indent=1) + "\n"),
        # where nvcc of 13.2's wheels looks
        _link(f"{top}/lib", "lib64"),
        _link(f"{top}/{_TARGET}/include", "../../include"),
        _link(f"{top}/{_TARGET}/lib", "../../lib64"),
        _link(f"/usr/local/cuda-{cuda.folder.partition('.')[0]}", name),
    )
    return Files(f"CUDA {cuda.version} in /usr/local", tuple(sorted(entries, key=lambda e: e.path)))


def environment(cuda: BuiltCuda) -> dict[str, str]:
    """What NVIDIA's container toolkit reads, and the loader."""
    return {
        "CUDA_VERSION": cuda.version,
        "LD_LIBRARY_PATH": ":".join(_LIBRARIES),
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "NVIDIA_REQUIRE_CUDA": f"cuda>={cuda.folder}",
        "NVIDIA_VISIBLE_DEVICES": "all",
    }


def labels(cuda: BuiltCuda, wheels: Iterable[Wheel]) -> dict[str, str]:
    """The labels that NVIDIA's own images have."""
    found = {"com.nvidia.cuda.version": cuda.version}
    for wheel in wheels:
        if wheel.name.startswith("nvidia-cudnn-cu"):
            found["com.nvidia.cudnn.version"] = wheel.version
    return found


def cuda_tokens(cuda: BuiltCuda) -> tuple[Token, ...]:
    """The parts `cuda12.4.1` and `runtime` of a descriptive tag."""
    flavour = Token(name=cuda.flavour, version="", by="cuda-flavour")
    return Token(name="cuda", version=cuda.version, by="cuda"), flavour


def _text(path: str, text: str) -> FileEntry:
    return FileEntry.of(path, text.encode())


def _link(path: str, target: str) -> FileEntry:
    return FileEntry(path, 0o777, "symlink", target=target)
