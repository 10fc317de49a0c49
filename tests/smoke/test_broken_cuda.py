"""An image with CUDA passes; broken on purpose, the right check fails and says the right thing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from image_maker import Maker

from lapstrake.dist import Token
from lapstrake.layers.kinds import FileEntry
from lapstrake.plan.model import ImagePlan, Plan
from lapstrake.smoke.report import CheckResult

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.network]

CHECKS = ("cuda-files", "cuda-once", "cuda-libraries", "cuda-version", "cuda-gpu", "tag-is-true")
SITE = "/opt/venv/lib/python3.11/site-packages"
LIB64 = "/usr/local/cuda-12.8/lib64"


@pytest.fixture
def cuda(own_plan: Plan, base_in_engine: None, tmp_path: Path) -> Maker:
    """Makes images of this family's own image with CUDA."""
    return Maker(own_plan.image("cuda-12.8"), tmp_path)


def checked(cuda: Maker, image: ImagePlan) -> dict[str, CheckResult]:
    return {c.name: c for c in cuda.smoke(image, CHECKS).checks}


def test_a_sound_image_passes_and_says_what_its_verdicts_rest_on(cuda: Maker) -> None:
    found = checked(cuda, cuda.image())
    assert {n: (c.kind, c.verdict) for n, c in found.items()} == {
        "cuda-files": ("static", "passed"),
        "cuda-once": ("static", "passed"),
        "cuda-libraries": ("cpu", "passed"),
        "cuda-version": ("cpu", "passed"),
        "cuda-gpu": ("gpu", "skipped"),
        "tag-is-true": ("", "passed"),
    }
    assert found["cuda-gpu"].why == "no GPU was asked for (`lapstrake smoke --gpu`)"


def test_what_a_wheel_has_for_itself_is_let_pass_and_told(cuda: Maker) -> None:
    theirs = f"{SITE}/triton/backends/nvidia/lib"
    profilers = [
        FileEntry.of(f"{theirs}/{name}", b"a profiler")
        for name in ("cupti/libcupti.so", "cupti/libcupti.so.12", "cupti-blackwell/libcupti.so.13")
    ]
    nvidias = FileEntry.of(f"{SITE}/nvidia/cuda_cupti/lib/libcupti.so.12", b"a profiler")
    found = cuda.check(cuda.image(files=[*profilers, nvidias]), "cuda-once")
    assert found.verdict == "passed"
    assert found.why.startswith("3 files aside: triton's profiler loads a CUPTI of its own")
    other = FileEntry.of(f"{theirs}/libcudart.so.12", b"no profiler")
    found = cuda.check(cuda.image(files=[*profilers, other]), "cuda-once")
    assert found.verdict == "failed"
    assert f"{theirs}/libcudart.so.12 (extra)" in found.seen
    assert "libcupti" not in found.seen


def test_cuda_for_a_wheels_sake_is_counted_too(maker: Maker) -> None:
    one, two = (FileEntry.of(f"/srv/{n}/libnccl.so.2", b"a library") for n in "ab")
    assert maker.check(maker.image(files=[one]), "cuda-once").verdict == "passed"
    found = maker.check(maker.image(files=[one, two]), "cuda-once")
    assert found.seen == "/srv/a/libnccl.so.2 (extra) and /srv/b/libnccl.so.2 (extra)"


def test_a_library_that_is_there_twice_and_one_that_isnt_there(cuda: Maker) -> None:
    again = FileEntry.of("/opt/torch.libs/libcudart-0123abcd.so.12", b"another")
    gone = FileEntry(f"{LIB64}/libgone.so.1", 0o777, "symlink", target="/nowhere")
    found = checked(cuda, cuda.image(files=[again, gone]))
    once = found["cuda-once"]
    assert once.verdict == "failed"
    assert "/opt/torch.libs/libcudart-0123abcd.so.12 (extra)" in once.seen
    assert "site-packages/nvidia/cuda_runtime/lib/libcudart.so.12" in once.seen
    assert found["cuda-files"].seen == f"to nothing: ['{LIB64.replace('-12.8', '')}/libgone.so.1']"
    assert found["cuda-libraries"].verdict == "failed"
    assert "libgone.so.1" in found["cuda-libraries"].seen


def test_another_version_than_the_image_says(cuda: Maker) -> None:
    told = cuda.base.cuda
    assert told is not None
    tokens = tuple(replace_version(t, "12.8.99") if t.by == "cuda" else t for t in cuda.base.tokens)
    image = replace(cuda.image(), cuda=told.model_copy(update={"folder": "12.6"}), tokens=tokens)
    found = checked(cuda, image)
    assert found["cuda-version"].seen == "12.8"
    assert found["cuda-version"].expected == "cudaRuntimeGetVersion to say 12.6"
    assert found["cuda-files"].seen == "/usr/local/cuda-12.8"
    assert found["tag-is-true"].expected == "cuda12.8.99 in the tag to be true"


def replace_version(token: Token, version: str) -> Token:
    return token.model_copy(update={"version": version})
