"""What NVIDIA's wheels bring has a link in the toolkit's folder, in the layer of its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from estargz_reader import open_layer
from layer_tools import read_layer
from wheel_maker import PYTHON, SITE, Maker

from lapstrake.layers.cuda_links import is_part, links
from lapstrake.layers.kinds import Wheels
from lapstrake.layers.wheels_layer import write_wheels
from lapstrake.lock.model import Wheel

OLD = {
    "nvidia/__init__.py": b"",
    "nvidia/cuda_runtime/__init__.py": b"",
    "nvidia/cuda_runtime/lib/__init__.py": b"",
    "nvidia/cuda_runtime/lib/libcudart.so.12": b"\x7fELF runtime",
    "nvidia/cuda_runtime/include/cuda.h": b"#define CUDA_VERSION 12040\n",
    "nvidia/cuda_runtime/include/crt/host.h": b"",
}
TOP = "usr/local/cuda-12.4"


def layer_of(cuda: str, *makers: Maker) -> Wheels:
    wheels = (
        Wheel(name=m.name.replace("_", "-"), version="1.0", filename="", sha256="0" * 64, size=1)
        for m in sorted(makers, key=lambda m: m.name)
    )
    return Wheels("test", PYTHON, "2.36", tuple(wheels), None, cuda)


def written(folder: Path, cuda: str, *makers: Maker) -> dict[str, str]:
    """The links of a layer: path -> target."""
    paths = {m.name.replace("_", "-"): m.write(folder) for m in makers}
    write_wheels(layer_of(cuda, *makers), paths, folder / "layer")
    entries = read_layer(folder / "layer")
    return {name: e.target for name, (e, _) in entries.items() if e.type == "symlink"}


def test_files_of_cudas_wheels_are_linked_and_lie_where_the_wheel_says(tmp_path: Path) -> None:
    maker = Maker(name="nvidia_cuda_runtime_cu12", files=OLD)
    found = written(tmp_path, "12.4", maker)
    at = f"/{SITE}/nvidia/cuda_runtime"
    assert found == {
        f"{TOP}/include/crt/host.h": f"{at}/include/crt/host.h",
        f"{TOP}/include/cuda.h": f"{at}/include/cuda.h",
        f"{TOP}/lib64/libcudart.so": "libcudart.so.12",
        f"{TOP}/lib64/libcudart.so.12": f"{at}/lib/libcudart.so.12",
    }
    layer = open_layer(tmp_path / "layer")
    assert layer.read(f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12") == b"\x7fELF runtime"


def test_the_shared_folder_of_newer_wheels_is_the_toolkits() -> None:
    site = "opt/venv/lib/python3.11/site-packages/nvidia/cu13"
    found = links(
        "13.0", [f"{site}/{p}" for p in ("bin/nvcc", "nvvm/bin/cicc", "lib/liba.so.13.1")]
    )
    assert found == {
        "usr/local/cuda-13.0/bin/nvcc": f"/{site}/bin/nvcc",
        "usr/local/cuda-13.0/lib64/liba.so": "liba.so.13.1",
        "usr/local/cuda-13.0/lib64/liba.so.13.1": f"/{site}/lib/liba.so.13.1",
        "usr/local/cuda-13.0/nvvm/bin/cicc": f"/{site}/nvvm/bin/cicc",
    }


def test_other_wheels_and_layers_without_cuda_have_no_links(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert written(tmp_path / "a", "", Maker(name="nvidia_cuda_runtime_cu12", files=OLD)) == {}
    other = {"nvidia/dali/lib/libdali.so.1": b""}
    assert written(tmp_path / "b", "12.4", Maker(name="somebody_elses", files=other)) == {}


def test_which_wheels_are_parts_of_cuda() -> None:
    parts = ("nvidia-cublas-cu12", "nvidia-cuda-nvcc", "nvidia-nccl-cu13", "nvidia-npp")
    assert all(map(is_part, parts))
    assert not any(map(is_part, ("nvidia-pytriton", "torch", "cuda-toolkit")))


def test_the_links_are_inputs_where_there_are_any() -> None:
    maker = Maker(name="nvidia_cuda_runtime_cu12")
    plain, linked = layer_of("", maker), layer_of("12.4", maker)
    assert "cuda" not in plain.inputs()
    assert len({plain.id, linked.id, replace(linked, cuda="12.6").id}) == 3
