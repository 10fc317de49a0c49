"""`cuda: {source: root}` over an image laid out as NVIDIA's own, which tests can't pull.

What stands in has NVIDIA's real libcudart, folders, links and variables; cuDNN and the stub to
link against are names alone.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from image_maker import Maker

from lapstrake import process
from lapstrake.dist import read_build
from lapstrake.fetch.wheels import fetch_wheels
from lapstrake.layers.kinds import FileEntry, Wheels
from lapstrake.plan.model import Plan
from lapstrake.smoke.run import run_smoke
from lapstrake.store.store import Store
from support.registry import serve_registry

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.network]

TOOLKIT = "/usr/local/cuda-12.8"
TARGET = f"{TOOLKIT}/targets/x86_64-linux"
SYSTEM = "/usr/lib/x86_64-linux-gnu"
NVIDIAS = {
    "CUDA_VERSION": "12.8.1",
    "LD_LIBRARY_PATH": "/usr/local/nvidia/lib:/usr/local/nvidia/lib64",
    "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    "NVIDIA_REQUIRE_CUDA": "cuda>=12.8 brand=tesla,driver>=535,driver<536",
    "NVIDIA_VISIBLE_DEVICES": "all",
}
CHECKS = {
    *("cuda-files", "cuda-once", "cuda-libraries", "cuda-version", "tag-is-true"),
    *("ssh-command-environment", "pip-check"),
}


def _runtime_library(plan: Plan) -> bytes:
    """NVIDIA's libcudart, as their wheel has it."""
    layers = (x for x in plan.image("cuda-12.8").layers if isinstance(x, Wheels))
    name, python = "nvidia-cuda-runtime-cu12", "3.11"
    (wheel,) = (w for x in layers for w in x.wheels if w.name == name)
    found = fetch_wheels([wheel], Store(), python, "2.36", "linux/amd64", lambda *_: None)
    with zipfile.ZipFile(found[name]) as file:
        return file.read("nvidia/cuda_runtime/lib/libcudart.so.12")


def _files(library: bytes) -> list[FileEntry]:
    """What NVIDIA's Debian packages and Dockerfiles put into an image."""
    links = {
        "/etc/alternatives/cuda": TOOLKIT,
        "/usr/local/cuda": "/etc/alternatives/cuda",
        f"{TOOLKIT}/lib64": "targets/x86_64-linux/lib",
        f"{TARGET}/lib/libcudart.so.12": "libcudart.so.12.8.90",
    }
    texts = {
        "/etc/ld.so.conf.d/000_cuda.conf": "/usr/local/cuda/targets/x86_64-linux/lib\n",
        f"{TARGET}/lib/stubs/libcudart.so": "what is linked against where there is no GPU\n",
        f"{SYSTEM}/libcudnn.so.9": "cuDNN\n",
    }
    return [
        FileEntry.of(f"{TARGET}/lib/libcudart.so.12.8.90", library),
        *(FileEntry(path, 0o777, "symlink", target=to) for path, to in links.items()),
        *(FileEntry.of(path, text.encode()) for path, text in texts.items()),
    ]


@pytest.fixture
def repository(own_plan: Plan, base_in_engine: None, tmp_path: Path) -> Iterator[Path]:
    """A definition whose root is such an image, in a registry on loopback."""
    maker = Maker(own_plan.image("base"), tmp_path)
    image = maker.image(files=_files(_runtime_library(own_plan)))
    env = tuple(sorted((dict(image.config.env) | NVIDIAS).items()))
    dist = maker.dist(replace(image, config=replace(image.config, env=env)))
    folder = tmp_path / "family/images/theirs"
    folder.mkdir(parents=True)
    (tmp_path / "family/lapstrake.yaml").write_text("name: theirs\n")
    with serve_registry(tmp_path / "registry") as address:
        reference = f"{address}/nvidia/cuda:12.8.1-cudnn-runtime-debian12"
        command = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false"]
        process.run([*command, f"oci:{dist}:base", f"docker://{reference}"])
        (folder / "image.yaml").write_text(
            f"root: {{image: '{reference}', python: '3.11', os: debian12}}\n"
            "python: {requirements: [pip]}\n"
            'cuda: {version: "12.8", flavour: cudnn-runtime, source: root}\n'
            "env: {NVIDIA_DRIVER_CAPABILITIES: all}\n"
            "tag: {service: pip, wheel: pip}\n"
        )
        yield tmp_path / "family"


def test_cuda_of_the_root_is_as_it_was_there_and_passes(repository: Path) -> None:
    for command in ("lock", "build"):
        words = [sys.executable, "-m", "lapstrake", command]
        done = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    build = read_build(repository / "dist")
    (image,) = build.images
    assert {n: image.env[n] for n in NVIDIAS} == NVIDIAS | {"NVIDIA_DRIVER_CAPABILITIES": "all"}
    assert "python3.11-cuda12.8-cudnn-runtime-debian12" in image.tags[1]
    report = run_smoke(
        repository / "dist",
        [],
        repository,
        store=Store(),
        jobs=1,
        progress=lambda _: None,
        remove=True,
        only=CHECKS,
    )
    assert [(c.name, c.seen) for c in report.failed] == []
    assert {c.name for c in report.images[0].checks if c.verdict == "passed"} == CHECKS
