"""Looks at an image's CUDA from inside; `smoke` runs it, and it isn't in the image.

`cuda.py files|libraries|version|compile|gpu` prints one line of JSON, or fails with a sentence.
This runs inside images: the standard library of Python 3.9 only.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TOOLKIT = Path("/usr/local/cuda")
LIBRARIES = TOOLKIT / "lib64"

# Those of drivers, of the GPU and of network cards: they come with the hardware, from outside.
DRIVERS = re.compile(r"lib(?:cuda|nvidia-[a-z-]+|nvcuvid|mlx5|ibverbs|rdmacm)\.so\.1: cannot open")

# What says how much of CUDA there is, the most first. NVIDIA's Debian packages put cuDNN among the
# system's libraries.
FLAVOURS = (
    ("devel", "usr/local/cuda/bin/nvcc"),
    ("cudnn-runtime", "usr/local/cuda/lib64/libcudnn.so*"),
    ("cudnn-runtime", "usr/lib/x86_64-linux-gnu/libcudnn.so*"),
    ("runtime", "usr/local/cuda/lib64/libcublas.so*"),
)

# One that every GPU of the last ten years understands: adds 1 to each of 32-bit numbers.
KERNEL = b"""
.version 7.0
.target sm_50
.address_size 64
.visible .entry increment(.param .u64 numbers)
{
    .reg .b64 %rd<4>;
    .reg .b32 %r<4>;
    ld.param.u64 %rd1, [numbers];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd3, %r1, 4;
    add.s64 %rd2, %rd2, %rd3;
    ld.global.u32 %r2, [%rd2];
    add.u32 %r3, %r2, 1;
    st.global.u32 [%rd2], %r3;
    ret;
}
"""

SOURCE = """
#include <cstdio>
#include <cuda_runtime.h>
__global__ void increment(int *numbers) { numbers[threadIdx.x] += 1; }
int main() {
    int version = 0;
    if (cudaRuntimeGetVersion(&version) != cudaSuccess) return 1;
    std::printf("%d\\n", version);
    return (void *)increment == nullptr;
}
"""

COUNT = 64


def main(what: str) -> dict[str, object]:
    """What is asked for, as JSON has it."""
    known = {
        "files": files,
        "libraries": libraries,
        "version": version,
        "compile": compile_program,
        "gpu": gpu,
    }
    return known[what]()


def files() -> dict[str, object]:
    """Where the toolkit is, its broken links, whether the loader is told of it, its flavour."""
    broken = [str(p) for p in sorted(TOOLKIT.rglob("*")) if p.is_symlink() and not p.exists()]
    lines = [
        line
        for path in sorted(Path("/etc/ld.so.conf.d").glob("*.conf"))
        for line in path.read_text().split()
    ]
    real = {os.path.realpath(line) for line in lines}
    return {
        "folder": os.path.realpath(TOOLKIT),
        "broken": broken,
        "listed": os.path.realpath(LIBRARIES) in real,
        "flavour": flavour(),
    }


def flavour() -> str:
    """How much of CUDA there is."""
    return next((name for name, pattern in FLAVOURS if any(Path("/").glob(pattern))), "base")


def libraries() -> dict[str, object]:
    """Load each, in a process of its own: what one brings along must not help another."""
    problems: dict[str, str] = {}
    names = sorted(p.name for p in LIBRARIES.glob("lib*.so.*"))
    load = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
    for name in names:
        command = [sys.executable, "-c", load, str(LIBRARIES / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 and not DRIVERS.search(done.stderr):
            problems[name] = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    return {"loaded": names, "problems": problems}


def runtime() -> ctypes.CDLL:
    """CUDA's runtime library."""
    found = sorted(LIBRARIES.glob("libcudart.so.*"))
    if not found:
        raise SystemExit(f"there is no libcudart in {LIBRARIES}")
    return ctypes.CDLL(str(found[0]))


def dotted(number: int) -> str:
    """A version as CUDA counts it, 12040, as people write it."""
    return f"{number // 1000}.{number % 1000 // 10}"


def version() -> dict[str, object]:
    """What the runtime library says of itself, and the release that NVIDIA's files name."""
    number = ctypes.c_int()
    code = runtime().cudaRuntimeGetVersion(ctypes.byref(number))
    if code != 0:
        raise SystemExit(f"cudaRuntimeGetVersion failed with {code}")
    return {"runtime": dotted(number.value), "release": release()}


def release() -> str:
    """The version of the wheel that stands for the whole release, else what the files say.

    NVIDIA's smaller images have no version.json; their folder has the version in its name.
    """
    import importlib.metadata

    try:
        return ".".join(importlib.metadata.version("cuda-toolkit").split(".")[:3])
    except importlib.metadata.PackageNotFoundError:
        file = TOOLKIT / "version.json"
        if file.exists():
            return str(json.loads(file.read_text())["cuda"]["version"])
        return os.path.realpath(TOOLKIT).rpartition("-")[2]


def compile_program() -> dict[str, object]:
    """Compile and run a small program; it starts no kernel, so it needs no GPU."""
    with tempfile.TemporaryDirectory() as name:
        source, program = Path(name) / "program.cu", Path(name) / "program"
        source.write_text(SOURCE)
        command = [str(TOOLKIT / "bin" / "nvcc"), "-o", str(program), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"nvcc failed: {(done.stderr or done.stdout).strip()[-500:]}")
        said = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    return {"runtime": dotted(int(said.stdout))}


class Gpu:
    """The first device."""

    def __init__(self) -> None:
        self.runtime = runtime()
        count = ctypes.c_int()
        self.need("cudaGetDeviceCount", ctypes.byref(count))
        if count.value < 1:
            raise SystemExit("cudaGetDeviceCount says 0")
        self.count = count.value

    def need(self, function: str, *arguments: object) -> None:
        """Call a function of the runtime's that must succeed."""
        code = getattr(self.runtime, function)(*arguments)
        if code != 0:
            self.runtime.cudaGetErrorString.restype = ctypes.c_char_p
            words = self.runtime.cudaGetErrorString(code)
            raise SystemExit(f"{function}: {words.decode()}")

    def put(self, values: ctypes.Array[Any]) -> ctypes.c_void_p:
        """Memory of the device's with a copy of some values."""
        place = ctypes.c_void_p()
        size = ctypes.c_size_t(ctypes.sizeof(values))
        self.need("cudaMalloc", ctypes.byref(place), size)
        self.need("cudaMemcpy", place, values, size, ctypes.c_int(1))
        return place

    def take(self, place: ctypes.c_void_p, into: ctypes.Array[Any]) -> None:
        """Copy memory of the device's back."""
        self.need("cudaDeviceSynchronize")
        size = ctypes.c_size_t(ctypes.sizeof(into))
        self.need("cudaMemcpy", into, place, size, ctypes.c_int(2))


def gpu() -> dict[str, object]:
    """Copy to the device and back, add with a kernel, multiply with cuBLAS where there is one."""
    device = Gpu()
    numbers = (ctypes.c_int * COUNT)(*range(COUNT))
    place = device.put(numbers)
    copied = (ctypes.c_int * COUNT)()
    device.take(place, copied)
    if list(copied) != list(range(COUNT)):
        raise SystemExit("what was copied to the device came back as something else")
    run_kernel(place)
    device.take(place, copied)
    if list(copied) != list(range(1, COUNT + 1)):
        raise SystemExit(f"the kernel made {list(copied)[:4]} of [0, 1, 2, 3]")
    device.need("cudaFree", place)
    return {"devices": device.count, "kernel": True, "cublas": multiply(device)}


def run_kernel(place: ctypes.c_void_p) -> None:
    """Have the driver compile the kernel and run it, in the context that the runtime made."""
    driver = ctypes.CDLL("libcuda.so.1")
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    _driver(driver, "cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(KERNEL))
    _driver(driver, "cuModuleGetFunction", ctypes.byref(function), module, b"increment")
    arguments = (ctypes.c_void_p * 1)(ctypes.addressof(place))
    grid = [ctypes.c_uint(n) for n in (1, 1, 1, COUNT, 1, 1, 0)]
    _driver(driver, "cuLaunchKernel", function, *grid, None, arguments, None)


def _driver(driver: ctypes.CDLL, name: str, *arguments: object) -> None:
    code = getattr(driver, name)(*arguments)
    if code != 0:
        words = ctypes.c_char_p()
        driver.cuGetErrorString(code, ctypes.byref(words))
        raise SystemExit(f"{name}: {(words.value or b'').decode()} ({code})")


def multiply(device: Gpu) -> bool:
    """The product of two 2x2 matrices by cuBLAS; False where the image has none."""
    found = sorted(LIBRARIES.glob("libcublas.so.*"))
    if not found:
        return False
    blas = ctypes.CDLL(str(found[0]))
    handle = ctypes.c_void_p()
    _blas(blas, "cublasCreate_v2", ctypes.byref(handle))
    floats = ctypes.c_float * 4
    left, right = device.put(floats(1, 3, 2, 4)), device.put(floats(5, 7, 6, 8))  # by columns
    product = device.put(floats())
    one, zero, two = ctypes.c_float(1), ctypes.c_float(0), ctypes.c_int(2)
    plain = ctypes.c_int(0)
    places = (ctypes.byref(one), left, two, right, two, ctypes.byref(zero), product, two)
    _blas(blas, "cublasSgemm_v2", handle, plain, plain, two, two, two, *places)
    result = floats()
    device.take(product, result)
    if list(result) != [19.0, 43.0, 22.0, 50.0]:
        raise SystemExit(f"cuBLAS says that the product is {list(result)}")
    return True


def _blas(blas: ctypes.CDLL, name: str, *arguments: object) -> None:
    code = getattr(blas, name)(*arguments)
    if code != 0:
        raise SystemExit(f"{name} failed with {code}")


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
