"""One file that makes several images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lapstrake.definition.load import load
from lapstrake.errors import DefinitionError

Write = Callable[..., Path]

BASE = {
    "lapstrake.yaml": "name: fam\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [python3]}\n",
}
MANY = """\
extends: base
description: the tool ${matrix.tool} with ${matrix.size}
matrix:
  values: {tool: [hammer, saw], size: ["1", "2"]}
  default: {tool: saw}
python: {requirements: ["${matrix.tool}==${matrix.size}"]}
run: ['echo "${HOME} ${matrix.tool}"']
"""


def said(write: Write, text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load(write({**BASE, "images/t/image.yaml": text}))
    return [str(p) for p in caught.value.problems]


def test_every_combination_is_an_image_with_its_values(write: Write) -> None:
    repo = load(write({**BASE, "images/t/image.yaml": MANY}))
    assert list(repo.images) == ["base", "t-hammer-1", "t-hammer-2", "t-saw-1", "t-saw-2"]
    image = repo.image("t-saw-2")
    assert image.spec.description == "the tool saw with 2"
    assert image.spec.python.requirements == ["saw==2"]
    assert image.spec.run == ['echo "${HOME} saw"'], "a shell's own variable stays"
    assert image.line("run", 0) == 7


def test_the_default_values_are_built_and_the_others_where_they_are_named(write: Write) -> None:
    repo = load(write({**BASE, "images/t/image.yaml": MANY}))
    assert repo.default == {"base", "t-saw-1", "t-saw-2"}
    every = load(
        write({**BASE, "images/t/image.yaml": MANY.replace("  default: {tool: saw}\n", "")})
    )
    assert every.default == set(every.images)


def test_each_image_resolves_its_wheels_alone_with_what_extends_it(write: Write) -> None:
    files = {**BASE, "images/t/image.yaml": MANY, "images/over/image.yaml": "extends: t-saw-1\n"}
    repo = load(write(files))
    assert repo.resolution("t-saw-1") == "t-saw-1"
    assert repo.resolution("over") == "t-saw-1"


def test_a_runtime_of_a_matrix_is_not_united(write: Write) -> None:
    files = {
        **BASE,
        "images/slim/image.yaml": "extends: base\n",
        "images/full/image.yaml": "extends: slim\nruntimes: all\n",
        "runtimes/r/runtime.yaml": 'matrix: {values: {v: ["1"]}}\ndescription: "${matrix.v}"\n',
        "runtimes/over/runtime.yaml": "extends: r-1\n",
        "runtimes/s/runtime.yaml": "{}\n",
    }
    assert load(write(files)).united("full") == ("s",)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("{tool: saw}", "{tool: axe}", "5: matrix.default: tool has no value 'axe'"),
        ("{tool: saw}", "{weight: '1'}", "5: matrix.default: weight has no value '1'"),
        (
            "${HOME} ${matrix.tool}",
            "${matrix.too}",
            "3: ${matrix.too} is none of the matrix's values",
        ),
        ('size: ["1", "2"]', 'size: ["1", "1"]', "4: matrix.values: size has a value twice"),
        ('size: ["1", "2"]', "size: []", "4: matrix.values: size has no values"),
        ('size: ["1", "2"]', "size: [1]", "4: 'matrix.values.size[0]' must be text"),
        ("size: [", 'extra: ["x"], size: [', "4: nothing in the file uses ${matrix.extra}"),
        (
            "extends: base\n",
            "extends: base\nname: tea\n",
            "2: an image of a matrix has its folder's",
        ),
    ],
)
def test_what_is_wrong_is_said_once_with_its_line(
    write: Write, old: str, new: str, problem: str
) -> None:
    found = said(write, MANY.replace(old, new, 1))
    assert len(found) == 1
    assert found[0].startswith(f"images/t/image.yaml:{problem}")


def test_a_matrix_of_too_many_images_is_refused_before_it_is_made(write: Write) -> None:
    values = ", ".join(f'"{n}"' for n in range(100))
    text = MANY.replace('["1", "2"]', f"[{values}]")
    assert said(write, text) == ["images/t/image.yaml:4: a matrix of 200 images is more than 64"]
