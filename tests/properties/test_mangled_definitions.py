"""Ten thousand mangled definitions: each is refused in plain words or read, and nothing else."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lapstrake.definition.load import load
from lapstrake.definition.repository import Repository
from lapstrake.errors import DefinitionError

_SHARDS = 8
_EACH = 10_000 // _SHARDS

# Of this repository: what stands for the rest of it.
_COPIED = (
    *("images/base", "images/slim", "images/full", "images/cuda"),
    *("runtimes/sklearn", "runtimes/python"),
)

# Every key that an image may have, so that mutations reach all of them.
_RICH = """\
description: everything at once
owners: [octocat, acme/serving]
extends: base
runtimes: [sklearn]
apart: false
apt: [libgomp1, "curl"]
python:
  requirements: [numpy>=1.26, "pandas[excel]; python_version > '3.8'"]
  constraints: [numpy<3]
copy:
  - from: slim
    paths: [{from: /etc/hostname, to: /srv/name}, {from: /usr/bin/env}]
files:
  - {from: model.txt, to: /srv/model, mode: "0755", owner: 10, group: 20}
run:
  - echo one
  - {commands: [echo two, echo three], env: {A: b}}
env: {LANG: C.UTF-8, N: "1"}
services:
  - name: web
    main: false
    command: [python, -m, http.server, "8000"]
    ports: [8000, {port: 9000, name: grpc, protocol: grpc}]
    health: {port: 8000, path: /}
    directory: /srv
    user: nobody
    env: {X: y}
    protocol: v2
volumes: [/mnt/models]
data:
  - url: https://example.org/weights.bin
    sha256: "0000000000000000000000000000000000000000000000000000000000000000"
    path: /mnt/models/weights.bin
serves: [{format: sklearn, env: {MODEL: x}}]
workdir: /srv
labels: {org.example.key: value}
tag: {service: web, wheel: numpy}
size: 150MB
"""

_TOKENS = (
    *(
        "&a ",
        "*a",
        "!!python/object:os.system ",
        "!!binary ",
        "<<: *a",
        "\t",
        "\0",
        "{",
        "}",
        "[",
        "]",
    ),
    *("? ", "- ", ": ", "---\n", "...\n", "%YAML 9.9\n", "|\n", ">-\n", "#", "'", '"', "@", "`"),
    *(
        "\ufeff",
        "\u2028",
        "\x85",
        "\x1b[2J",
        "é",
        "日本",
        "../..",
        "/",
        "~",
        "null",
        "yes",
        "0o7",
        ".inf",
    ),
    *("-0", "1e999", "2024-01-01", "a" * 3000, "\\", "${HOME}", "$(id)", "%s", "\r\n", "=", "!"),
)

_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 2**70, 1.5, float("inf"), float("nan"), "", " ", "x", "x" * 3000),
    *(
        "../../etc/passwd",
        "/",
        "//",
        "//../x",
        "a\nb",
        "a\0b",
        "${PATH}",
        "é",
        "1.0.0",
        "all",
        "-x",
    ),
    *([], {}, [[]], {"": ""}, {"a": {"b": {"c": []}}}, [None], [{}], {1: 2}, {"from": None}),
    *(
        "base",
        "slim",
        "full",
        "sklearn",
        "web",
        "numpy @ file:///etc/passwd",
        "numpy ; ",
        "; rm -rf /",
    ),
    *(b"bytes", ["x"] * 300, {str(i): i for i in range(50)}),
)


def mangled_text(text: str, rng: random.Random) -> str:
    """A text with lines, characters or tokens out of place."""
    for _ in range(rng.randint(1, 4)):
        lines = text.splitlines(keepends=True) or [""]
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        place = rng.randrange(len(text) + 1)
        kind = rng.randrange(8)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(other, lines[at])
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3:
            lines[at] = " " * rng.randint(0, 6) + lines[at].lstrip(" ")
        if kind < 4:
            text = "".join(lines)
        elif kind == 4:
            text = text[:place] + rng.choice(_TOKENS) + text[place:]
        elif kind == 5:
            text = text[:place] + text[place + rng.randint(1, 20) :]
        elif kind == 6:
            text = (
                text[:place] + chr(rng.choice((9, 10, 32, 58, 45, 123, 0xD7FF))) + text[place + 1 :]
            )
        else:
            text = text[:place]
    return text


def mangled_value(value: object, rng: random.Random) -> object:
    """A structure with one part replaced, renamed, repeated or gone."""
    if rng.random() < 0.25 or not isinstance(value, (dict, list)) or not value:
        return rng.choice(_VALUES)
    if isinstance(value, list):
        at = rng.randrange(len(value))
        made = list(value)
        if rng.random() < 0.2:
            return [*made, made[at]]
        made[at] = mangled_value(made[at], rng)
        return made
    key = rng.choice(sorted(value, key=str))
    kind = rng.random()
    rest = {k: v for k, v in value.items() if k != key}
    if kind < 0.1:
        return rest
    if kind < 0.2:
        return rest | {rng.choice(("x", "", "extends", "root", "name", "1", "é")): value[key]}
    return rest | {key: mangled_value(value[key], rng)}


def by_structure(text: str, rng: random.Random) -> str:
    return str(yaml.safe_dump(mangled_value(yaml.safe_load(text), rng), allow_unicode=True))


def files_of(root: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in sorted(root.rglob("*"))}


@pytest.fixture
def definition(top: Path, tmp_path: Path) -> Path:
    """Some of this repository's definition, and one more image that uses every key."""
    root = tmp_path / "repo"
    root.mkdir()
    shutil.copy(top / "lapstrake.yaml", root)
    for name in _COPIED:
        shutil.copytree(top / name, root / name)
    (root / "images/rich").mkdir()
    (root / "images/rich/image.yaml").write_text(_RICH)
    (root / "images/rich/model.txt").write_text("model\n")
    return root


def outcome(root: Path) -> bool:
    """Whether the definition is good; raises what is neither good nor a plain refusal."""
    try:
        found = load(root)
    except DefinitionError as error:
        problems = error.problems
    else:
        assert isinstance(found, Repository)
        return True
    for problem in problems:
        assert "\n" not in str(problem)
        assert problem.line >= 1
        assert problem.path
    assert problems
    return False


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(_SHARDS))
def test_a_mangled_definition_is_refused_or_read(
    definition: Path, monkeypatch: pytest.MonkeyPatch, shard: int
) -> None:
    monkeypatch.chdir(definition.parent)
    rng = random.Random(shard)  # noqa: S311
    texts = {p: p.read_text() for p in sorted(definition.rglob("*.yaml"))}
    assert outcome(definition)
    good = 0
    for number in range(_EACH):
        path = rng.choice(sorted(texts))
        mangle: Callable[[str, random.Random], str] = rng.choice((mangled_text, by_structure))
        text = mangle(texts[path], rng)
        path.write_bytes(text.encode(errors="surrogatepass"))
        before = files_of(definition.parent) if number % 50 == 0 else None
        try:
            good += outcome(definition)
        except BaseException as error:
            error.add_note(f"{path.relative_to(definition)}:\n{text}")
            raise
        if before is not None:
            assert files_of(definition.parent) == before
        path.write_text(texts[path])
    # both ends are reached, so that neither is vacuous
    assert _EACH / 50 < good < _EACH / 2


def _each_of_the_last(form: str) -> str:
    """Eight values, each of which refers nine times to the one before."""
    names = "abcdefghi"
    return "".join(
        f"{name}: &{name} {form.format(', '.join([f'*{last}'] * 9))}\n"
        for last, name in itertools.pairwise(names)
    )


_HOSTILE = {
    "a billion laughs": "a: &a [x, x]\n" + _each_of_the_last("[{}]"),
    "merges of merges": "a: &a {x: 1}\n" + _each_of_the_last("{{<<: [{}]}}"),
    "a loop": "a: &a [*a]\n",
    "a loop by merging": "a: &a {<<: *a}\n",
    "depth": "a: " + "[" * 20000,
    "depth, closed": "a: " + "[" * 3000 + "]" * 3000,
    "depth of mappings": "".join(" " * n + "a:\n" for n in range(900)),
    "many keys": "".join(f"k{n}: 1\n" for n in range(20000)),
    "keys that are mappings": "? {a: b}\n: c\n? [1, 2]\n: d\n",
    "a binary key": "!!binary aGVsbG8=: x\n",
    "no UTF-8": "\udcff\udcfe",
    "UTF-16": "\ufeff".encode("utf-16").decode("latin-1"),
    "NUL": "\0",
    "two documents": "a: 1\n---\nb: 2\n",
    "dates": "name: 2024-01-01\nversion: 2024-13-45\n",
    "sexagesimal": "name: 190:20:30\nversion: 0x_\n",
    "empty numbers": "version: !!int ''\nname: !!float x\n",
    "odd booleans": "name: !!bool maybe\n",
}


@pytest.mark.parametrize("kind", _HOSTILE)
@pytest.mark.parametrize("name", ["lapstrake.yaml", "images/rich/image.yaml"])
def test_a_hostile_file(definition: Path, kind: str, name: str) -> None:
    data = _HOSTILE[kind].encode(errors="surrogateescape")
    (definition / name).write_bytes(data)
    assert not outcome(definition)
