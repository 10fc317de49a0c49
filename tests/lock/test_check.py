from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lapstrake.definition.load import load
from lapstrake.lock.check import stale
from lapstrake.lock.inputs import lock_inputs
from lapstrake.lock.model import Lock

Write = Callable[..., Path]

FILES = {
    "lapstrake.yaml": "name: fam\npython: {constraints: [aa<2]}\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [tini]}\n",
    "images/slim/image.yaml": "extends: base\napt: [python3]\npython: {requirements: [serve]}\n",
    "images/full/image.yaml": "extends: slim\nruntimes: all\n",
    "runtimes/one/runtime.yaml": "python: {requirements: [aa, bb]}\n",
}


def reasons(write: Write, **changed: str) -> list[str]:
    """What is stale after files (`images__slim` …) were given other text."""
    repo = load(write(FILES, "before"))
    lock = Lock(
        platform="linux/amd64", epoch=0, roots={}, apt={}, images={}, resolutions={},
        inputs=lock_inputs(repo),
    )  # fmt: skip
    assert stale(repo, lock) == []
    assert stale(repo, Lock.model_validate_json(lock.model_dump_json())) == []
    paths = {"family": "lapstrake.yaml"}
    paths |= {p.split("/")[1]: p for p in FILES if "/" in p}
    paths |= {"two": "runtimes/two/runtime.yaml"}
    return stale(load(write(FILES | {paths[n]: t for n, t in changed.items()}, "after")), lock)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"one": "python: {requirements: [aa, cc<2]}\n"},
            ["runtimes/one: requirement added cc<2", "runtimes/one: requirement removed bb"],
        ),
        ({"one": "python: {requirements: [bb, aa]}\nenv: {A: b}\n"}, []),
        ({"base": "root: {suite: trixie, packages: [tini]}\n"},
         ["images/base: suite was bookworm, is trixie"]),
        ({"base": "root: {suite: bookworm, packages: [tini, sudo]}\n"},
         ["images/base: package added sudo"]),
        ({"slim": "extends: base\npython: {requirements: [serve]}\n"},
         ["images/slim: apt is gone"]),
        ({"base": "root: {suite: bookworm, packages: [tini]}\napt: [sudo]\n"},
         ["images/base: package added sudo"]),
        ({"family": "name: fam\npython: {constraints: [aa<3], version: '3.11'}\n"},
         ["lapstrake.yaml: constraint added aa<3", "lapstrake.yaml: constraint removed aa<2",
          "lapstrake.yaml: version was not given, is 3.11"]),
        ({"family": "name: fam\npython: {constraints: [aa<2]}\nplatform: linux/arm64\n"},
         ["lapstrake.yaml: platform was linux/amd64, is linux/arm64"]),
        ({"two": "env: {A: b}\n"},
         ["images/full: runtime added two", "runtimes/two: the image is new"]),
        ({"one": "apart: true\npython: {requirements: [aa, bb]}\n"},
         ["images/full: runtime removed one", "runtimes/one: resolution was family, is one"]),
        ({"base": "root: {suite: bookworm, packages: [tini]}\n"
          "copy: [{from: 'x/y:1', paths: [{from: /a}]}]\n"},
         ["lapstrake.yaml: image added x/y:1"]),
    ],
)  # fmt: skip
def test_reasons(write: Write, changed: dict[str, str], expected: list[str]) -> None:
    assert reasons(write, **changed) == expected


def test_an_image_that_is_gone(write: Write) -> None:
    repo = load(write(FILES, "before"))
    lock = Lock(
        platform="linux/amd64", epoch=0, roots={}, apt={}, images={}, resolutions={},
        inputs=lock_inputs(repo),
    )  # fmt: skip
    fewer = {n: t for n, t in FILES.items() if "runtimes" not in n}
    assert stale(load(write(fewer, "after")), lock) == [
        "images/full: runtime removed one",
        "one: the image is gone",
    ]
