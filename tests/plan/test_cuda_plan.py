"""Images with CUDA: layers, what they share, environment, labels, tags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from locks import deb, lock, repo_of, resolution, wheel

from lapstrake.engines.dagger.wire import Interpreters, decode, encode
from lapstrake.layers.kinds import Files, Wheels
from lapstrake.oci.image import environment
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan

Write = Callable[..., Path]

FILES = {
    "lapstrake.yaml": "name: fam\nversion: 1.0.dev1\nlayers: {large: 1MB}\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [tini, python3]}\n",
    "images/cuda/image.yaml": """\
extends: base
matrix: {values: {v: ["12.4", "12.8"]}, default: {v: "12.8"}}
cuda: {version: "${matrix.v}"}
tag: {service: tini, package: tini}
""",
    "images/over/image.yaml": """\
extends: cuda-12.8
python: {requirements: [serve]}
cuda: {version: "12.8", flavour: runtime}
tag: {service: serve, wheel: serve}
""",
    "images/torch/image.yaml": "extends: base\noptional: true\npython: {requirements: [torch]}\n",
}


@pytest.fixture
def plan(write: Write) -> Plan:
    runtime, toolkit = (
        wheel("nvidia-cuda-runtime-cu12", "12.8.90"),
        wheel("cuda-toolkit", "12.8.1.0"),
    )
    blas = wheel("nvidia-cublas-cu12", size=3_000_000)
    found = {
        "cuda-12.4": resolution(
            [wheel("cuda-toolkit", "12.4.1"), wheel("nvidia-cuda-runtime-cu12", "12.4.127")],
            {"cuda-12.4": "cuda-toolkit nvidia-cuda-runtime-cu12"},
        ),
        "cuda-12.8": resolution(
            [toolkit, runtime, blas, wheel("serve", "2.0")],
            {
                "cuda-12.8": "cuda-toolkit nvidia-cuda-runtime-cu12",
                "over": "cuda-toolkit nvidia-cuda-runtime-cu12 nvidia-cublas-cu12 serve",
            },
        ),
        "torch": resolution(
            [toolkit, runtime, blas, wheel("torch")],
            {"torch": "cuda-toolkit nvidia-cuda-runtime-cu12 nvidia-cublas-cu12 torch"},
        ),
    }
    roots = [deb("libc6"), deb("tini", "0.19.0-1"), deb("python3", "3.11.2-1")]
    names = ["cuda-12.4", "cuda-12.8", "over", "torch"]
    return make_plan(repo_of(write(FILES)), lock(roots, **found), names)


def test_tags_tell_cuda_and_how_much_of_it(plan: Plan) -> None:
    tags = {i.name: i.tags[-1] for i in plan.images if i.tokens}
    assert tags == {
        "cuda-12.4": "tini0.19.0-python3.11-cuda12.4.1-base-debian12",
        "cuda-12.8": "tini0.19.0-python3.11-cuda12.8.1-base-debian12",
        "over": "serve2.0-python3.11-cuda12.8.1-runtime-debian12",
    }


def test_the_environment_and_labels_are_those_that_nvidias_toolkit_reads(plan: Plan) -> None:
    config = plan.image("cuda-12.4").config
    env = dict(config.env)
    assert env["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert env["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert env["NVIDIA_REQUIRE_CUDA"] == "cuda>=12.4"
    assert env["CUDA_VERSION"] == "12.4.1"
    assert env["LD_LIBRARY_PATH"].endswith(":/usr/local/cuda/lib64")
    assert env["PATH"].startswith("/opt/venv/bin:/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/")
    assert dict(config.labels)["com.nvidia.cuda.version"] == "12.4.1"
    assert "CUDA_VERSION" not in dict(plan.image("torch").config.env)


def test_what_lies_around_the_wheels_is_one_layer_of_a_version(plan: Plan) -> None:
    around = {
        i.name: [x for x in i.layers if isinstance(x, Files) and x.title.startswith("CUDA")]
        for i in plan.images
    }
    assert {n: len(x) for n, x in around.items()} == {
        "cuda-12.4": 1,
        "cuda-12.8": 1,
        "over": 1,
        "torch": 0,
    }
    assert around["cuda-12.8"] == around["over"]
    links = {e.path: e.target for e in around["cuda-12.4"][0].entries if e.type == "symlink"}
    assert links["/usr/local/cuda"] == "cuda-12.4"
    texts = {e.path: e.data for e in around["cuda-12.4"][0].entries if e.type == "file"}
    assert texts["/etc/ld.so.conf.d/000_cuda.conf"] == b"/usr/local/cuda/lib64\n"


def test_cudas_wheels_are_layers_of_all_images_that_have_them(plan: Plan) -> None:
    """Whether they ask for CUDA or torch does, and in whichever resolution."""

    def cuda(name: str) -> dict[str, str]:
        layers = [x for x in plan.image(name).layers if isinstance(x, Wheels) and x.cuda]
        return {",".join(w.name for w in x.wheels): x.id for x in layers}

    assert cuda("cuda-12.8").items() <= cuda("over").items()
    assert set(cuda("over")) == {"cuda-toolkit,nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12"}
    assert cuda("torch")["nvidia-cublas-cu12"] == cuda("over")["nvidia-cublas-cu12"]
    assert cuda("torch") == cuda("over")
    assert not set(cuda("cuda-12.4").values()) & set(cuda("cuda-12.8").values())


def test_an_image_that_has_cuda_keeps_its_own_word_for_it(write: Write) -> None:
    files = {
        "lapstrake.yaml": "name: fam\nversion: 1.0.dev1\n",
        "images/theirs/image.yaml": """\
root: {image: "example.org/cuda:12.4.1", python: "3.11", os: debian12}
python: {requirements: [serve]}
cuda: {version: "12.4", source: root}
env: {NVIDIA_VISIBLE_DEVICES: "0"}
tag: {service: serve, wheel: serve}
""",
    }
    found = {"family": resolution([wheel("serve", "2.0")], {"theirs": "serve"})}
    locked = lock(**found).model_copy(
        update={"images": {"example.org/cuda:12.4.1": "sha256:" + "5" * 64}, "roots": {}}
    )
    (image,) = make_plan(repo_of(write(files)), locked).images
    assert [x.kind for x in image.layers] == ["root", "files", "wheels", "files"]
    assert image.tags[1] == "serve2.0-python3.11-cuda12.4-base-debian12"
    theirs = {"config": {"Env": ["CUDA_VERSION=12.4.1", "NVIDIA_VISIBLE_DEVICES=all", "A=b"]}}
    env = environment(image.config, theirs)
    assert (env["CUDA_VERSION"], env["NVIDIA_VISIBLE_DEVICES"], env["A"]) == ("12.4.1", "0", "b")
    assert env["NVIDIA_REQUIRE_CUDA"] == "cuda>=12.4"
    assert env["PATH"].startswith("/opt/venv/bin:/usr/local/nvidia/bin:/usr/local/cuda/bin:")
    assert list(env) == sorted(env)


def test_a_layer_with_links_travels_to_a_dagger_engine(plan: Plan) -> None:
    (layer, *_) = [x for x in plan.image("over").layers if isinstance(x, Wheels) and x.cuda]
    there = decode(encode(layer), Path("/"), Interpreters.of(()))
    assert isinstance(there, Wheels)
    assert (there.id, there.cuda) == (layer.id, "12.8")
