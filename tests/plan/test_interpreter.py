"""Which Python compiles the modules of an image's wheels, and what of it a layer depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from locks import CLOSURES, FAMILY, WHEELS, deb, lock, repo_of, resolution

from lapstrake.layers.kinds import Interpreter, Wheels
from lapstrake.lock.model import Deb
from lapstrake.plan.make import make_plan

Write = Callable[..., Path]

ROOT = (deb("libc6"), deb("tini"))


def minimal(version: str) -> Deb:
    return deb("python3.11-minimal", version)


def interpreters(
    root: Path, roots: Sequence[Deb], apt: Mapping[str, Sequence[Deb]] | None = None
) -> dict[str, Interpreter | None]:
    """By the title of the wheels' layers."""
    locked = lock(roots, apt, family=resolution(WHEELS, CLOSURES))
    layers = make_plan(repo_of(root), locked, ()).layers
    return {x.title: x.interpreter for x in layers if isinstance(x, Wheels)}


def ids(root: Path, *roots: Deb) -> set[str]:
    locked = lock(roots, family=resolution(WHEELS, CLOSURES))
    return {x.id for x in make_plan(repo_of(root), locked, ()).layers if isinstance(x, Wheels)}


def test_the_root_s_own_python_compiles(write: Write) -> None:
    found = interpreters(write(FAMILY), [*ROOT, minimal("3.11.2-6+deb12u9")])
    assert len(found) > 2
    for interpreter in found.values():
        assert interpreter is not None
        assert interpreter.version == "cpython 3.11.2"
        assert interpreter.path == "/usr/bin/python3.11"
        assert [x.kind for x in interpreter.layers] == ["root"]


def test_a_python_that_apt_adds_compiles(write: Write) -> None:
    files = FAMILY | {
        "images/slim/image.yaml": "extends: base\napt: [python3]\n"
        "python: {requirements: [server]}\n"
    }
    found = interpreters(write(files), ROOT, {"slim": [minimal("3.11.4-1")]})
    for interpreter in found.values():
        assert interpreter is not None
        assert interpreter.version == "cpython 3.11.4"
        assert [x.kind for x in interpreter.layers] == ["root", "run"]


def test_a_root_image_s_python_is_told_by_its_digest(write: Write) -> None:
    digest = "sha256:" + "5" * 64
    files = FAMILY | {
        "images/base/image.yaml": "root: {image: 'example.org/cuda:12', python: '3.11', "
        "glibc: '2.36', os: debian12, interpreter: /opt/py/bin/python}\n"
    }
    locked = lock(family=resolution(WHEELS, CLOSURES)).model_copy(
        update={"images": {"example.org/cuda:12": digest}, "roots": {}}
    )
    layers = make_plan(repo_of(write(files)), locked, ()).layers
    found = [x.interpreter for x in layers if isinstance(x, Wheels)]
    assert found
    for interpreter in found:
        assert interpreter is not None
        assert (interpreter.version, interpreter.path) == (digest, "/opt/py/bin/python")


def test_a_revision_of_the_distribution_changes_no_layer_of_wheels(write: Write) -> None:
    root = write(FAMILY)
    before = ids(root, *ROOT, minimal("3.11.2-6+deb12u8"))
    assert ids(root, *ROOT, minimal("3.11.2-6+deb12u9")) == before
    # nor does anything else of the root
    assert ids(root, deb("libc6"), deb("tini", "2"), minimal("3.11.2-6+deb12u8")) == before
    assert not ids(root, *ROOT, minimal("3.11.3-1")) & before


@pytest.mark.parametrize("debs", [ROOT, (*ROOT, minimal("3.11.2-6"))])
def test_a_family_may_do_without(write: Write, debs: tuple[Deb, ...]) -> None:
    files = FAMILY | {
        "lapstrake.yaml": "name: fam\nversion: 1.0.dev1\npython: {bytecode: false}\n",
    }
    assert set(interpreters(write(files), debs).values()) == {None}
