"""CUDA: its files and links, whether it is there once, whether it loads, whether a GPU computes.

Three classes of verdict: `static` looks at files, `cpu` runs code on any machine, `gpu` needs a
GPU and is made where `smoke --gpu` asks for it.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lapstrake import guest as guest_programs
from lapstrake.dist import BuiltCuda, BuiltImage, Token
from lapstrake.errors import UserError
from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.checks.python import PYTHON
from lapstrake.smoke.context import Context
from lapstrake.smoke.guest import Guest

# The libraries of NVIDIA's that two wheels, or a wheel and the system, might both bring; some
# wheels that bring one along have put a hash behind its name.
_LIBRARY = re.compile(
    r"(?:.*/)?(lib(?:cudart|cublas(?:Lt)?|cudnn\w*|cu(?:fft|rand|solver|sparse)\w*|nccl|npp\w+"
    r"|nvblas|nvfatbin|nvJitLink|nvjpeg|nvrtc(?:-builtins)?|nvToolsExt|cupti|nvvm))"
    r"(?:-[0-9a-f]{8})?\.so(?:\.[0-9.]+)?"
)

# What a wheel brings for itself alone, and why the image's own can't serve it. A wheel's RECORD has
# these files, so they aren't left out.
_PRIVATE = {
    re.compile(r"(?:.*/)?triton/backends/nvidia/lib/cupti[^/]*/libcupti\.so[.0-9]*"): (
        "triton's profiler loads a CUPTI of its own for each generation of GPUs, by path"
    ),
}

_ENVIRONMENT = (
    "CUDA_VERSION",
    "LD_LIBRARY_PATH",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_REQUIRE_CUDA",
    "NVIDIA_VISIBLE_DEVICES",
)


def matters(path: str) -> bool:
    """Whether these checks look at a path of a layer."""
    return _library(path) is not None


def _library(path: str) -> str | None:
    """The library of CUDA's that a path is, without its version; None where it is none.

    The stubs beside NVIDIA's headers are none: they are what is linked against where no GPU is.
    """
    found = _LIBRARY.fullmatch(path)
    return found[1] if found and "/stubs/" not in path else None


def sort_out(paths: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The places of each library, and how many files are let pass, by the reason.

    Args:
        paths: of each file the path, without a leading slash, and the layer's title.
    """
    places: dict[str, list[str]] = defaultdict(list)
    private: dict[str, int] = defaultdict(int)
    for path, layer in paths:
        if (name := _library(path)) is None:
            continue
        why = next((w for pattern, w in _PRIVATE.items() if pattern.fullmatch(path)), "")
        if why:
            private[why] += 1
        else:
            places[name].append(f"/{path} ({layer})")
    return places, private


def has_cuda(image: BuiltImage) -> bool:
    """Whether it has CUDA."""
    return image.cuda is not None


def has_compiler(image: BuiltImage) -> bool:
    """Whether it has nvcc."""
    return image.cuda is not None and image.cuda.flavour == "devel"


@cache
def _program() -> str:
    """The program that looks at CUDA from inside."""
    return (Path(guest_programs.__path__[0]) / "cuda.py").read_text(encoding="utf-8")


def ask(guest: Guest, what: str, *, has_environment: bool) -> dict[str, object]:
    """What the program says; `Failed` with its last words where it can't."""
    said = guest.exec(*_command(what, has_environment=has_environment))
    if said.code != 0:
        raise Failed(f"CUDA's {what} to be looked at", f"exit {said.code}: {said.last}")
    found: dict[str, object] = json.loads(said.text.splitlines()[-1])
    return found


def measure(guest: Guest, token: Token, *, has_environment: bool) -> str:
    """What a token of the tag would have to be."""
    if token.by == "cuda-flavour":
        return str(ask(guest, "files", has_environment=has_environment)["flavour"])
    found = ask(guest, "version", has_environment=has_environment)
    release = str(found["release"]).split(".")[: token.version.count(".") + 1]
    if release[:2] != str(found["runtime"]).split("."):
        return f"a libcudart of {found['runtime']} in a release {found['release']}"
    return f"{token.name}{'.'.join(release)}"


def _ask(ctx: Context, what: str) -> dict[str, object]:
    return ask(ctx.guest, what, has_environment=ctx.image.python is not None)


def _command(what: str, *, has_environment: bool) -> tuple[str, ...]:
    return (PYTHON if has_environment else "/usr/bin/python3", "-c", _program(), what)


def _cuda(ctx: Context) -> BuiltCuda:
    if ctx.image.cuda is None:
        raise Skipped("the image has no CUDA")
    return ctx.image.cuda


@check("cuda-files", when=has_cuda, why="the definition has no cuda", kind="static")
def cuda_files(ctx: Context) -> None:
    """/usr/local/cuda is the toolkit's folder, no link in it is broken, the loader knows it."""
    cuda = _cuda(ctx)
    found = _ask(ctx, "files")
    if found["folder"] != f"/usr/local/cuda-{cuda.folder}":
        raise Failed(f"/usr/local/cuda to be /usr/local/cuda-{cuda.folder}", f"{found['folder']}")
    if found["broken"]:
        raise Failed("links in /usr/local/cuda to files", f"to nothing: {found['broken']}")
    if not found["listed"]:
        raise Failed("/usr/local/cuda/lib64 in /etc/ld.so.conf.d", "it isn't there")
    missing = [name for name in _ENVIRONMENT if not ctx.image.env.get(name)]
    if missing:
        raise Failed("the variables that NVIDIA's container toolkit reads", f"no {missing[0]}")


@check("cuda-once", kind="static")
def cuda_once(ctx: Context) -> str:
    """No layer holds a library of CUDA that another place has, too, whoever asked for it."""
    try:
        places, private = sort_out((f.path, f.layer) for f in ctx.layers.of(ctx.image))
    except UserError as error:
        raise Skipped(error.message) from error
    if not places and ctx.image.cuda is None:
        raise Skipped("the image has no CUDA")
    if not places.get("libcudart") and ctx.image.cuda is not None:
        raise Failed("libcudart in a layer", "none")
    twice = {name: found for name, found in places.items() if len(found) > 1}
    if twice:
        shown = "; ".join(" and ".join(found) for _, found in sorted(twice.items()))
        raise Failed(f"{len(places)} libraries of CUDA, each once", shown)
    return "; ".join(f"{count} files aside: {why}" for why, count in sorted(private.items()))


@check("cuda-libraries", when=has_cuda, why="the definition has no cuda", kind="cpu")
def cuda_libraries(ctx: Context) -> None:
    """Every library loads; those that want the driver's may say that it isn't there."""
    found = _ask(ctx, "libraries")
    if found["problems"]:
        raise Failed("every library of CUDA to load", json.dumps(found["problems"]))
    if not found["loaded"]:
        raise Failed("libraries in /usr/local/cuda/lib64", "none")


@check("cuda-version", when=has_cuda, why="the definition has no cuda", kind="cpu")
def cuda_version(ctx: Context) -> None:
    """`cudaRuntimeGetVersion` is that of the tag."""
    cuda = _cuda(ctx)
    seen = _ask(ctx, "version")["runtime"]
    if seen != cuda.folder:
        raise Failed(f"cudaRuntimeGetVersion to say {cuda.folder}", f"{seen}")


@check("cuda-nvcc", when=has_compiler, why="the image has no nvcc", kind="cpu")
def cuda_nvcc(ctx: Context) -> None:
    """Nvcc compiles a kernel and links a program that tells the runtime's version."""
    cuda = _cuda(ctx)
    seen = _ask(ctx, "compile")["runtime"]
    if seen != cuda.folder:
        raise Failed(f"a program of nvcc's to say {cuda.folder}", f"{seen}")


@check("cuda-gpu", when=has_cuda, why="the definition has no cuda", kind="gpu")
def cuda_gpu(ctx: Context) -> None:
    """There is a device; it allocates, copies, runs a kernel and, with cuBLAS, multiplies."""
    if not ctx.gpu:
        raise Skipped("no GPU was asked for (`lapstrake smoke --gpu`)")
    try:
        command = _command("gpu", has_environment=ctx.image.python is not None)
        code, said = ctx.engine.run(ctx.image_id, command, gpus=True)
    except UserError as error:
        raise Skipped(f"the engine gives no GPU: {error.message}") from error
    if code != 0:
        raise Failed("a GPU to compute", f"exit {code}: {said.strip()[-300:]}")
